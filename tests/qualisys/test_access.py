"""The declaration of a route, and the system as an actor."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import pytest
from django.http import HttpRequest

from qualisys import tenancy
from qualisys.access import Actor, Open, Requires, System, check
from qualisys.problems import Problem
from tenants.identity import Identity, Person

HOME = tenancy.Tenant(uuid4(), "home", "Home")


def asks(who: Any) -> HttpRequest:
    return cast(HttpRequest, SimpleNamespace(identity=who))


def member(role: str = "dev") -> Identity:
    return Identity(Person(uuid4(), "", "", role, ""), HOME, "token", "")


def staff(role: str = "platform_admin") -> Identity:
    return Identity(Person(uuid4(), "", "", "", role), None, "token", "")


def code(route: Requires, who: Any) -> str:
    with pytest.raises(Problem) as caught:
        asyncio.run(route(asks(who)))
    return caught.value.code


def test_requires__nobody__is_told_how_to_sign_in() -> None:
    with pytest.raises(Problem) as caught:
        asyncio.run(Requires(None)(asks(None)))
    assert (caught.value.code, caught.value.headers) == ("not_authenticated", {"WWW-Authenticate": "Bearer"})


def test_requires__the_wrong_place_or_permission__refused() -> None:
    assert code(Requires(None, where="platform"), member()) == "permission_denied"
    assert code(Requires(None, where="tenant"), staff()) == "permission_denied"
    assert code(Requires("agents.view_executionlog"), member("dev")) == "permission_denied"
    assert (
        code(Requires("agents.add_agentdefinition", where="platform"), staff("platform_support"))
        == "permission_denied"
    )


def test_requires__right_place_and_permission__admits() -> None:
    for route, who in [
        (Requires(None), member()), (Requires(None), staff()),
        (Requires("governance.add_run", where="tenant"), member()),
        (Requires("agents.add_agentdefinition", where="platform"), staff()),
    ]:  # fmt: skip
        assert asyncio.run(route(asks(who))) is who


def test_open__admits_nobody_in_particular() -> None:
    assert asyncio.run(Open("a reason")(asks(None))) is True


def test_check__an_actor_without_the_permission__refused() -> None:
    with pytest.raises(Problem, match="permission_denied"):
        check(member(), "tenants.add_tenant")


def test_system__may_everything_and_signs_as_itself() -> None:
    check(System("tests"), "tenants.delete_tenant")
    assert System("tests").actor_id == "system:tests"
    assert isinstance(System("tests"), Actor)
    assert isinstance(member(), Actor)
