"""Passwords: slow to guess, slow to crack, changed by who knows the old one or reads the person's mail."""

from __future__ import annotations

import socket
import statistics
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.hashers import make_password

from qualisys import redis as qredis
from qualisys import tenancy
from qualisys.problems import Problem
from tenants.models import User
from tenants.signin import brake, entry, passwords
from tests import pages
from tests.people import Somebody, somebody
from tests.portal import Portal, wait_for
from tests.signin import link_in, mail_to, mails_to, release_brake, send, texts

pytestmark = pytest.mark.usefixtures("database")
Tenants = dict[str, tenancy.Tenant]
NEW = "violet harbour 42 lamp"


@pytest.fixture(autouse=True)
def no_brake() -> Iterator[None]:
    release_brake()
    yield
    release_brake()


@pytest.fixture
def person(tenants: Tenants) -> Somebody:
    return somebody(tenants["acme"], "dev")


def stored(person: Somebody) -> User:
    with tenancy.use(tenancy.platform("tests")):
        return User.objects.get(pk=person.user.pk)


@pytest.mark.parametrize("state", ["dead", "frozen"])
def test_brake__without_redis__refuses_politely_and_soon(
    monkeypatch: pytest.MonkeyPatch, state: str, settings: Any
) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        settings.REDIS_URL = f"redis://127.0.0.1:{1 if state == 'dead' else deaf.getsockname()[1]}/0"
        monkeypatch.setattr(brake, "_client", brake._client.__wrapped__)
        began = time.perf_counter()
        with pytest.raises(Problem) as refused:
            brake.slow_down(host="192.0.2.1", email="a@b.example")
        assert time.perf_counter() - began < 2
    assert (refused.value.code, refused.value.headers) == ("guard_unavailable", {"Retry-After": "2"})


def test_brake__many_people_from_one_address__is_slowed_down_with_the_time_to_wait() -> None:
    for number in range(brake.PER_HOST):
        brake.slow_down(host="192.0.2.2", email=f"{number}@people.example")
    with pytest.raises(Problem) as refused:
        brake.slow_down(host="192.0.2.2", email="another@people.example")
    assert refused.value.code == "rate_limited"
    assert refused.value.headers is not None
    assert 1 <= int(refused.value.headers["Retry-After"]) <= 60


def test_brake__counters__end_by_themselves() -> None:
    brake.slow_down(host="192.0.2.3", email="x@people.example")
    client = qredis.sync_client()
    assert all(0 < int(client.ttl(key)) <= 60 for key in client.scan_iter("signin:*"))


def test_sign_in_page__guessing__answers_429_with_the_time_to_wait(portal: Portal, person: Somebody) -> None:
    with pages.browser(portal) as client:
        answers = [pages.sign_in(client, person.email, "wrong") for _ in range(11)]
        refused = pages.sign_in(client, person.email, person.password)
    assert [answer.status_code for answer in answers] == [401] * 10 + [429]
    assert refused.status_code == 429, "the right password does not help"
    assert 1 <= int(refused.headers["Retry-After"]) <= 60


def test_unknown_person__takes_as_long_as_a_known_one(tenants: Tenants, person: Somebody) -> None:
    def took(email: str) -> float:
        began = time.perf_counter()
        assert authenticate(None, username=email, password="wrong") is None
        return time.perf_counter() - began

    with tenancy.use(tenants["acme"]):
        pairs = [(took(person.email), took("nobody@people.example")) for _ in range(7)]
    known, unknown = (statistics.median(each) for each in zip(*pairs, strict=True))
    assert 0.5 < known / unknown < 2


def test_stored_password__is_argon2id() -> None:
    assert stored(somebody()).password.startswith("argon2$argon2id$v=19$m=47104,t=2,p=1$")


def test_older_hash__is_replaced_when_its_owner_signs_in(portal: Portal, person: Somebody) -> None:
    with tenancy.use(tenancy.platform("tests")):
        User.objects.filter(pk=person.user.pk).update(
            password=make_password(person.password, hasher="scrypt")
        )
    portal.signed_in(person.email, person.password, "acme")
    assert stored(person).password.startswith("argon2$argon2id$")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"current": "wrong"}, "present password"),
        ({"new": "short"}, "at least 12"),
        ({"new": "password1234"}, "too common"),
        ({"new": None}, "not the present one"),
        ({"new": ""}, "Enter a password"),
    ],
)
def test_change_password__refused__says_so_beside_the_field(
    portal: Portal, person: Somebody, change: dict[str, Any], field: str
) -> None:
    form = {"current": person.password, "new": NEW, **change}
    form = {name: person.password if value is None else value for name, value in form.items()}
    with pages.signed_in(portal, "acme", person.email, person.password) as client:
        answer = send(client, "/settings/security/password/", **form)
    assert answer.status_code == 422
    assert field in answer.text
    assert stored(person).check_password(person.password)


def test_change_password__ends_all_other_sessions_and_keeps_this_one(
    portal: Portal, person: Somebody
) -> None:
    token = portal.signed_in(person.email, person.password, "acme")["access"]
    with (
        pages.signed_in(portal, "acme", person.email, person.password) as mine,
        pages.signed_in(portal, "acme", person.email, person.password) as other,
        portal.client("acme", None, Authorization=f"Bearer {token}") as api,
    ):
        answer = send(mine, "/settings/security/password/", current=person.password, new=NEW)
        assert answer.status_code == 302, answer.text
        assert mine.get("/").status_code == 200
        assert other.get("/").status_code == 302
        wait_for(lambda: api.get("/agents").status_code == 401, 3, "the token to be refused")
        wait_for(lambda: other.get("/api/v1/agents").status_code == 401, 3, "the session to be refused")
        assert mine.get("/api/v1/agents").status_code == 200
    portal.signed_in(person.email, NEW, "acme")


def test_reset__unknown_foreign_and_known_address__answer_alike(
    portal: Portal, tenants: Tenants, person: Somebody
) -> None:
    foreign = somebody(tenants["globex"])
    addresses = [person.email, foreign.email, "nobody@people.example"]
    with pages.browser(portal) as client:
        answers = [send(client, "/reset/", email=address) for address in addresses]
    said = {answer.text.replace(address, "") for answer, address in zip(answers, addresses, strict=True)}
    assert {answer.status_code for answer in answers} == {200}
    assert len({text.split("<main")[1] for text in said}) == 1
    mail_to(person.email)
    time.sleep(0.5)
    assert mails_to(foreign.email) == mails_to("nobody@people.example") == []


def test_reset__asked_for_too_often__slowed_down(portal: Portal, person: Somebody) -> None:
    with pages.browser(portal) as client:
        answers = [send(client, "/reset/", email=person.email).status_code for _ in range(4)]
    assert answers == [200] * 3 + [429]


def test_reset_link__works_once_and_ends_all_sessions(portal: Portal, person: Somebody) -> None:
    with (
        pages.signed_in(portal, "acme", person.email, person.password) as signed_in,
        pages.browser(portal) as client,
    ):
        send(client, "/reset/", email=person.email)
        message = mail_to(person.email)
        path = link_in(message)
        page = client.get(path)
        assert (page.status_code, page.headers["Referrer-Policy"]) == (200, "same-origin")
        assert send(client, path, password="short").status_code == 422
        assert send(client, path, password=NEW).status_code == 302
        assert send(client, path, password=f"{NEW} again").status_code == 404
        wait_for(lambda: signed_in.get("/").status_code == 302, 3, "the end of the old session")
    portal.signed_in(person.email, NEW, "acme")
    plain, html = texts(message)
    assert "an hour" in plain
    assert person.email in html


@pytest.mark.parametrize("where", ["globex", None])
def test_reset_link__on_another_host__is_not_valid(
    portal: Portal, person: Somebody, where: str | None
) -> None:
    with pages.browser(portal) as client:
        send(client, "/reset/", email=person.email)
    path = link_in(mail_to(person.email))
    with pages.browser(portal, where) as other:
        assert other.get(path).status_code == 404


def test_reset_link__after_its_hour_or_a_sign_in__is_not_valid(
    tenants: Tenants, person: Somebody, settings: Any
) -> None:
    with tenancy.use(tenants["acme"]):
        found = passwords.reset_link(person.email)
        assert found is not None
        uid, token = found[1].strip("/").split("/")[1:]
        assert passwords.whose_link(uid, token) == person.user
        settings.PASSWORD_RESET_TIMEOUT = -1
        with pytest.raises(Problem, match="not_found"):
            passwords.whose_link(uid, token)


@pytest.mark.parametrize("path", ["/reset/x/y/", "/reset/AAAA/y-z/", "/reset/%00/y/", "/reset/Ww/1-2/"])
def test_reset_link__made_up__is_not_valid(portal: Portal, path: str) -> None:
    with pages.browser(portal) as client:
        assert client.get(path).status_code == 404


def test_visit__is_short_enough_to_keep() -> None:
    from django.test import RequestFactory

    request = RequestFactory().get("/", HTTP_USER_AGENT="x" * 5000, REMOTE_ADDR="2001:db8::1")
    assert entry.visit(request) == entry.Visit("2001:db8::1", "x" * 300)
