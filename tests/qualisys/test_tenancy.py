"""The context variable: entered, left, inherited, never guessed."""

from __future__ import annotations

import asyncio
import dataclasses
from uuid import uuid4

import pytest

from qualisys import tenancy
from qualisys.database.base import session_state
from qualisys.database.keys import tenant_key
from qualisys.tenancy import NoTenantSelected

ONE = tenancy.Tenant(uuid4(), "one", "One")
TWO = tenancy.Tenant(uuid4(), "two", "Two")


class OnPurposeError(Exception):
    """What goes wrong on purpose."""


def test_current__outside_any_context__is_none() -> None:
    assert tenancy.current() is None
    with pytest.raises(NoTenantSelected):
        tenancy.require()


def fails_inside() -> None:
    with tenancy.use(TWO):
        raise OnPurposeError


def test_use__nested_and_failing__comes_back_to_what_it_was() -> None:
    with tenancy.use(ONE):
        with pytest.raises(OnPurposeError):
            fails_inside()
        assert tenancy.tenant() is ONE
    assert tenancy.current() is None


def test_tenant__is_a_value_that_nobody_changes() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        ONE.schema = "two"  # type: ignore[misc]


async def test_tasks__started_inside_a_context__keep_it_and_leave_others_alone() -> None:
    async def work(tenant: tenancy.Tenant) -> list[str]:
        with tenancy.use(tenant):
            inner = asyncio.create_task(later())
        return [tenancy.require().schema, await inner]

    async def later() -> str:
        await asyncio.sleep(0)
        return tenancy.tenant().schema

    with tenancy.use(ONE):
        found = list(await asyncio.gather(work(TWO), work(ONE)))
        assert found == [["one", "two"], ["one", "one"]]


def test_session_state__says_tenant_or_platform_but_never_both() -> None:
    with tenancy.use(ONE):
        path, tenant, platform, *_ = session_state()
        assert (path, tenant, platform) == ('"one", "public"', str(ONE.id), "")
        assert session_state(include_public=False)[0] == '"one"'
    with tenancy.use(tenancy.platform("mend something")):
        assert session_state()[:3] == ('"public"', "", "mend something")


def test_cache_key__carries_the_schema() -> None:
    with tenancy.use(ONE):
        one = tenant_key("k", "p", 1)
    with tenancy.use(TWO):
        assert tenant_key("k", "p", 1) != one


def test_enter_schema__as_the_platform__keeps_the_reason() -> None:
    with tenancy.use(tenancy.platform("migrate")):
        tenancy.enter_schema("one")
        assert tenancy.require() == tenancy.Platform("migrate", "one")
    assert tenancy.current() is None
