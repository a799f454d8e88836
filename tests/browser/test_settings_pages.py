"""Settings and sign-in in a real browser: by keyboard, light and dark, on a phone, and without barriers."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ParamSpec, TypeVar
from uuid import UUID, uuid4

import pytest
from django.db import connections
from playwright.sync_api import Page, expect

from qualisys import tenancy
from tenants.signin import factors, passkeys
from tests.browser.axe import violations
from tests.browser.conftest import Open
from tests.browser.test_pages import MISNAMED, OVERFLOW
from tests.people import Somebody
from tests.people import key_of as key_here
from tests.people import somebody as somebody_here
from tests.portal import Portal
from tests.signin import code, let_age, link_in, mail_to, release_brake
from tests.signin import with_factor as with_factor_here

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("database")]
Tenants = dict[str, tenancy.Tenant]
P = ParamSpec("P")
T = TypeVar("T")

#: Where pictures of every page go, for people to look at; nowhere unless said.
PICTURES = os.environ.get("QUALISYS_PICTURES", "")
PAGES = {
    "profile": "/settings/profile/", "security": "/settings/security/", "password": "/settings/security/password/",
    "authenticator": "/settings/security/authenticator/", "sessions": "/settings/sessions/",
    "members": "/settings/members/", "keys": "/settings/keys/", "key-new": "/settings/keys/new/",
    "sign-in": "/settings/sign-in/", "limits": "/settings/limits/", "limits-agent": "/settings/limits/baconsultant/",
}  # fmt: skip
OPEN_PAGES = {"enter": "/sign-in/", "lost": "/reset/"}
PHONE, DESK = {"width": 360, "height": 740}, {"width": 1280, "height": 900}
SHAPES: dict[str, dict[str, Any]] = {
    "light": {"viewport": DESK, "color_scheme": "light"},
    "dark": {"viewport": DESK, "color_scheme": "dark"},
    "phone": {"viewport": PHONE, "color_scheme": "light", "has_touch": True},
    "phone-dark": {"viewport": PHONE, "color_scheme": "dark", "has_touch": True},
}


def apart(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Call what asks the database in a thread of its own: the browser's event loop runs in this one."""

    def call() -> T:
        try:
            return function(*args, **kwargs)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(call).result()


def somebody(tenant: tenancy.Tenant, role: str = "dev", *, name: str = "Somebody") -> Somebody:
    return apart(somebody_here, tenant, role, name=name)


def key_of(tenant: tenancy.Tenant, person: Somebody, name: str, scopes: list[str] | None = None) -> None:
    apart(key_here, tenant, person.user, name, scopes)


def with_factor(user_id: UUID) -> None:
    apart(with_factor_here, user_id)


@pytest.fixture(autouse=True)
def no_brake() -> None:
    release_brake()


@pytest.fixture(scope="module")
def owner(tenants: Tenants) -> Somebody:
    """An owner with company, keys and an invitation to look at."""
    home = tenants["spare_3"]
    person = somebody(home, "owner", name="Olivia Owner")
    for name, role in (
        ("Ada Lovelace", "admin"),
        ("Grace Hopper", "dev"),
        ("A very long name " * 6, "viewer"),
    ):
        somebody(home, role, name=name.strip())
    key_of(home, person, "Build server", ["runs:write", "agents:read"])
    key_of(home, person, "Nightly checks of the staging environment")
    return person


def enter(page: Page, person: Somebody) -> None:
    """Sign in through the form."""
    page.goto("/sign-in/")
    page.get_by_label("E-mail").fill(person.email)
    page.get_by_label("Password").fill(person.password)
    page.get_by_role("button", name="Sign in").click()


@pytest.fixture
def entered(open_page: Open, owner: Somebody) -> Any:
    """Return a function that opens a page of the organisation as its owner."""

    def opened(path: str, person: Somebody = owner, **options: Any) -> Page:
        page = open_page("/sign-in/", role=None, tenant="spare_3", **options)
        enter(page, person)
        page.locator("summary.person").wait_for()
        page.goto(path)
        return page

    return opened


def picture(page: Page, name: str) -> None:
    if PICTURES:
        Path(PICTURES).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=f"{PICTURES}/{name}.png", full_page=True)


@pytest.mark.parametrize("shape", SHAPES)
def test_page__has_no_barriers_and_fits(entered: Any, shape: str) -> None:
    page = entered("/settings/", **SHAPES[shape])
    found: dict[str, Any] = {}
    for name, path in PAGES.items():
        page.goto(path)
        expect(page.locator("h1, h2").first).to_be_visible()
        picture(page, f"settings-{name}-{shape}")
        wrong = [*violations(page), *page.evaluate(MISNAMED)]
        if wrong or page.evaluate(OVERFLOW) > 0:
            found[name] = wrong or "wider than the screen"
    assert found == {}


@pytest.mark.parametrize("shape", SHAPES)
def test_open_page__has_no_barriers_and_fits(open_page: Open, shape: str) -> None:
    for name, path in OPEN_PAGES.items():
        page = open_page(path, role=None, **SHAPES[shape])
        picture(page, f"{name}-{shape}")
        assert violations(page) == []
        assert page.evaluate(MISNAMED) == []
        assert page.evaluate(OVERFLOW) <= 0


def test_members__by_keyboard__are_reached_invited_and_an_error_is_beside_its_field(entered: Any) -> None:
    page = entered("/")
    page.keyboard.press("g")
    page.keyboard.press("s")
    expect(page.get_by_role("heading", name="Profile")).to_be_visible()
    tab_to(page, "Members")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Members", exact=True)).to_be_visible()
    field = page.get_by_label("E-mail")
    field.focus()
    page.keyboard.type("nobody")
    page.keyboard.press("Enter")
    expect(page.locator(".field-error")).to_contain_text("Enter an e-mail address")
    expect(field).to_have_attribute("aria-invalid", "true")
    field.focus()
    page.keyboard.press("Control+a")
    page.keyboard.type(f"{uuid4().hex[:8]}@people.example")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").filter(has_text="on its way")).to_be_visible()
    picture(page, "settings-invited-light")


def tab_to(page: Page, name: str) -> None:
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent.trim()") == name:
            return
    pytest.fail(f"{name} is not reached by Tab")


def test_member__deactivated__comes_back_by_undo(entered: Any, tenants: Tenants) -> None:
    somebody(tenants["spare_3"], name="Quentin Quitter")
    page = entered("/settings/members/?q=Quitter")
    page.get_by_role("link", name=re.compile("Quentin Quitter")).click()
    picture(page, "settings-member-light")
    page.get_by_role("link", name="Deactivate").click()
    expect(page.get_by_role("heading", name="Deactivate Quentin Quitter?")).to_be_visible()
    picture(page, "settings-confirm-light")
    assert violations(page) == []
    page.get_by_role("button", name="Deactivate").click()
    expect(page.get_by_text("Quentin Quitter is deactivated.")).to_be_visible()
    picture(page, "settings-undo-light")
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("Quentin Quitter is active again.")).to_be_visible()


def test_key__created__is_shown_once(entered: Any) -> None:
    page = entered("/settings/keys/")
    page.get_by_role("link", name="New key").click()
    # The field takes the focus by itself, a moment after the page has come.
    expect(page.get_by_label("Name")).to_be_focused()
    page.keyboard.type("Deployment")
    page.get_by_label("See agents and their metrics").check()
    page.keyboard.press("Enter")
    expect(page.get_by_label("API key")).to_have_value(re.compile(r"^qk_\w+_\w+_\w+$"))
    picture(page, "settings-key-shown-light")
    assert violations(page) == []
    page.get_by_role("button", name="Copy").click()
    page.get_by_role("link", name="I have kept it").click()
    expect(page.get_by_text("Deployment")).to_be_visible()


def test_second_factor__set_up_by_the_page_and_asked_at_the_next_sign_in(
    open_page: Open, entered: Any, tenants: Tenants
) -> None:
    person = somebody(tenants["spare_3"], name="Tove Two")
    page = entered("/settings/security/", person)
    page.get_by_role("link", name="Set up").click()
    expect(page.get_by_role("img", name=re.compile("QR code"))).to_be_visible()
    secret = re.sub(r"\s", "", page.locator("code.secret").inner_text())
    page.get_by_label("Code", exact=True).fill(code(secret, -1))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Two-factor sign-in is on")).to_be_visible()
    expect(page.locator(".codes li")).to_have_count(10)
    picture(page, "settings-recovery-light")
    assert violations(page) == []
    again = open_page("/sign-in/", role=None, tenant="spare_3")
    enter(again, person)
    expect(again.get_by_role("heading", name="Your code")).to_be_visible()
    picture(again, "code-light")
    assert violations(again) == []
    again.keyboard.type("000000")
    again.keyboard.press("Enter")
    expect(again.locator(".field-error")).to_contain_text("not right")
    again.get_by_label("Code", exact=True).fill(code(secret))
    again.keyboard.press("Enter")
    expect(again.locator("summary.person")).to_be_visible()


def test_invitation_and_lost_password__by_the_links_of_the_mails(
    entered: Any, open_page: Open, owner: Somebody
) -> None:
    """A browser sends more with a form than a program does: each of these pages is sent by one here."""
    address = f"{uuid4().hex[:10]}@people.example"
    page = entered("/settings/members/")
    page.get_by_label("E-mail").fill(address)
    page.keyboard.press("Enter")
    expect(page.get_by_text(f"An invitation is on its way to {address}.")).to_be_visible()
    guest = open_page(link_in(mail_to(address)), role=None, tenant="spare_3")
    guest.get_by_label("Your name").fill("Wanda Welcome")
    guest.get_by_label("Choose a password").fill("short")
    guest.keyboard.press("Enter")
    expect(guest.locator(".field-error")).to_be_visible()
    picture(guest, "welcome-light")
    assert violations(guest) == []
    guest.get_by_label("Choose a password").fill("three unlikely words together")
    guest.keyboard.press("Enter")
    expect(guest.locator("summary.person")).to_contain_text("Wanda Welcome")
    lost = open_page("/reset/", role=None, tenant="spare_3")
    lost.get_by_label("E-mail").fill(address)
    lost.keyboard.press("Enter")
    expect(lost.get_by_text(address)).to_be_visible()
    picture(lost, "lost-sent-light")
    assert violations(lost) == []
    lost.goto(link_in(mail_to(address, 2)))
    lost.get_by_label("New password").fill("four other unlikely words together")
    picture(lost, "reset-light")
    assert violations(lost) == []
    lost.keyboard.press("Enter")
    expect(lost.get_by_role("button", name="Sign in", exact=True)).to_be_visible()
    enter(lost, Somebody(owner.user, address, "four other unlikely words together"))
    expect(lost.locator("summary.person")).to_contain_text("Wanda Welcome")


def test_passkey__made_on_the_page__signs_in_without_a_password(
    open_page: Open, entered: Any, tenants: Tenants
) -> None:
    person = somebody(tenants["spare_3"], name="Pia Passkey")
    with_factor(person.user.pk)
    page = open_page("/sign-in/", role=None, tenant="spare_3")
    authenticator = virtual(page)
    enter(page, person)
    expect(page.get_by_role("heading", name="Your code")).to_be_visible()
    # A passkey counts as two factors: it is made without one here, and asked for none afterwards.
    apart(factors.forget, user_id=person.user.pk)
    enter(page, person)
    page.locator("summary.person").wait_for()
    page.goto("/settings/security/")
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_role("alert")).to_contain_text("Name the passkey")
    page.get_by_label("Name of the new passkey").fill("Virtual laptop")
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_text("Virtual laptop", exact=True)).to_be_visible()
    picture(page, "settings-passkey-light")
    assert violations(page) == []
    with_factor(person.user.pk)
    sign_out(page)
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.locator("summary.person")).to_contain_text("Pia Passkey")
    refuses_a_copy(page, authenticator)


def test_passkey__in_an_old_session__takes_the_password_on_the_page(
    open_page: Open, tenants: Tenants
) -> None:
    person = somebody(tenants["spare_3"], name="Olga Old")
    page = open_page("/sign-in/", role=None, tenant="spare_3")
    virtual(page)
    enter(page, person)
    page.locator("summary.person").wait_for()
    apart(let_age, session_of(page), tenants["spare_3"], 11)
    page.goto("/settings/security/")
    page.get_by_label("Name of the new passkey").fill("Late laptop")
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_role("alert")).to_contain_text("Enter your password")
    page.get_by_label("Your password").fill("wrong")
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_role("alert")).to_contain_text("not your present password")
    picture(page, "settings-passkey-old-light")
    assert violations(page) == []
    page.get_by_label("Your password").fill(person.password)
    page.keyboard.press("Enter")
    expect(page.get_by_text("Late laptop", exact=True)).to_be_visible()
    expect(page.get_by_label("Your password")).to_have_count(0)


def session_of(page: Page) -> str:
    """The key of the page's session."""
    return next(str(each["value"]) for each in page.context.cookies() if each["name"] == "sessionid")


def test_passkey__of_a_device_that_did_not_check_the_person__refused(
    open_page: Open, tenants: Tenants
) -> None:
    person = somebody(tenants["spare_3"], name="Uma Unverified")
    page = open_page("/sign-in/", role=None, tenant="spare_3")
    client, name = virtual(page)
    enter(page, person)
    page.locator("summary.person").wait_for()
    page.goto("/settings/security/")
    client.send("WebAuthn.setUserVerified", {"authenticatorId": name, "isUserVerified": False})
    page.get_by_label("Name of the new passkey").fill("Unlocked phone")
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.reload()
    expect(page.get_by_text("Unlocked phone", exact=True)).to_have_count(0)


def test_passkey__removed__opens_nothing(open_page: Open, tenants: Tenants) -> None:
    person = somebody(tenants["spare_3"], name="Rita Removed")
    page = open_page("/sign-in/", role=None, tenant="spare_3")
    virtual(page)
    enter(page, person)
    page.locator("summary.person").wait_for()
    page.goto("/settings/security/")
    page.get_by_label("Name of the new passkey").fill("Lost laptop")
    page.get_by_role("button", name="Add a passkey").click()
    page.get_by_role("link", name="Remove the passkey Lost laptop").click()
    page.get_by_role("button", name="Remove").click()
    expect(page.get_by_text("is removed")).to_be_visible()
    sign_out(page)
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("alert")).to_contain_text("does not let you in")


def test_passkey__of_a_member_of_another_organisation__is_none_here(
    open_page: Open, portal: Portal, tenants: Tenants
) -> None:
    """The browser offers a passkey only to the host it was made for; the server would not take it either."""
    person = somebody(tenants["spare_3"], name="Hanna Host")
    page = open_page("/sign-in/", role=None, tenant="spare_3")
    virtual(page)
    enter(page, person)
    page.locator("summary.person").wait_for()
    page.goto("/settings/security/")
    page.get_by_label("Name of the new passkey").fill("Her laptop")
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_text("Her laptop", exact=True)).to_be_visible()
    (row,) = apart(passkeys.list_own, person.user.pk)
    assert row.host == portal.host("spare_3")


def virtual(page: Page) -> Any:
    """Give the browser an authenticator that knows its person."""
    client = page.context.new_cdp_session(page)
    client.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
        "isUserVerified": True, "automaticPresenceSimulation": True,
    }  # fmt: skip
    made = client.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return client, made["authenticatorId"]


def refuses_a_copy(page: Page, authenticator: Any) -> None:
    """A device whose counter does not grow is a copy of another one."""
    client, name = authenticator
    (kept,) = client.send("WebAuthn.getCredentials", {"authenticatorId": name})["credentials"]
    client.send("WebAuthn.removeCredential", {"authenticatorId": name, "credentialId": kept["credentialId"]})
    client.send("WebAuthn.addCredential", {"authenticatorId": name, "credential": {**kept, "signCount": 0}})
    sign_out(page)
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("alert")).to_contain_text("does not let you in")


def sign_out(page: Page) -> None:
    page.locator("summary.person").click()
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("heading", name="Sign in").wait_for()
