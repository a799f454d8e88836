"""Prices and stops: who may write them, what is refused, and that the run path has them at once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async
from django.db import connections

from agents import prices, services, stops
from agents.models import ModelPrice, ModelStop
from agents.prices import Listed
from qualisys import audit, cache, tenancy
from qualisys.access import System
from qualisys.models import OutboxEvent
from qualisys.problems import Problem
from tests.connections import as_platform

pytestmark = pytest.mark.usefixtures("database", "platform")
SYSTEM = System("tests")


class Nobody:
    """An actor without any right."""

    actor_id = "nobody"

    def has_perm(self, perm: str, obj: Any = None) -> bool:
        return False


@pytest.fixture
def platform() -> Iterator[None]:
    with tenancy.use(tenancy.platform("tests")), audit.acting(audit.Actor("tester", f"req-{uuid4().hex}")):
        yield


@pytest.fixture
def model() -> Iterator[str]:
    """The name of a model nobody else has; its price and stop are taken away again."""
    name = f"m-{uuid4().hex}"
    yield name
    ModelPrice.objects.filter(model=name).delete()
    ModelStop.objects.filter(model=name).delete()


def listed(model: str, price: int = 1, **changes: Any) -> Listed:
    return Listed(
        **{"provider": "vllm", "model": model, "input_price": price, "output_price": 2 * price, **changes}
    )


def refused(call: Any, **arguments: Any) -> Problem:
    with pytest.raises(Problem) as caught:
        call(**arguments)
    return caught.value


def actions() -> list[tuple[str, str]]:
    with as_platform() as connection:
        query = """SELECT action, body::jsonb ->> 'reason' FROM audit_event
                   WHERE body::jsonb ->> 'request_id' = %s ORDER BY seq"""
        rows = connection.execute(query, [audit.actor().request_id]).fetchall()
    return [(action, reason) for action, reason in rows]


def test_service__without_the_permission__does_nothing(model: str) -> None:
    price = services.set_price(actor=SYSTEM, price=listed(model))
    stop = services.stop_model(actor=SYSTEM, provider="vllm", model=model)
    calls: list[tuple[Any, dict[str, Any]]] = [
        (services.set_price, {"price": listed(model, 9)}),
        (services.set_prices, {"prices": []}),
        (services.remove_price, {"row": price}),
        (services.stop_model, {"provider": "openai"}),
        (services.resume_model, {"stop_id": stop.pk}),
    ]
    for call, arguments in calls:
        assert refused(call, actor=Nobody(), **arguments).code == "permission_denied"
    assert ModelPrice.objects.get(pk=price.pk).input_price == 1
    assert list(ModelStop.objects.filter(provider__in=["openai", "vllm"])) == [stop]


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"provider": "nobody"}, "provider"), ({"model": " "}, "model"), ({"model": "\x00"}, "model")],
)
def test_price_or_stop__of_what_no_provider_has__refused(changes: dict[str, str], field: str) -> None:
    named = {"provider": "vllm", "model": "m", **changes}
    before = ModelPrice.objects.count()
    assert refused(services.set_price, actor=SYSTEM, price=listed(**named)).errors[0]["field"] == field  # type: ignore[arg-type]
    assert refused(services.stop_model, actor=SYSTEM, **named).errors[0]["field"] == field
    assert (ModelPrice.objects.count(), ModelStop.objects.filter(provider="vllm", model="").count()) == (
        before,
        0,
    )


def test_stop__twice__conflict_and_resume_of_none__not_found(model: str) -> None:
    row = services.stop_model(actor=SYSTEM, provider="vllm", model=model, reason="wrong answers")
    assert refused(services.stop_model, actor=SYSTEM, provider="vllm", model=model).code == "conflict"
    services.resume_model(actor=SYSTEM, stop_id=row.pk, reason="mended")
    assert refused(services.resume_model, actor=SYSTEM, stop_id=row.pk).code == "not_found"
    assert actions() == [("model_stop.created", "wrong answers"), ("model_stop.deleted", "mended")]
    told = OutboxEvent.objects.filter(topic__in=["model.stopped", "model.resumed"], payload__model=model)
    assert {each.topic for each in told} <= {"model.stopped", "model.resumed"}


async def test_stop__is_known_after_it__and_no_longer_after_the_resume(model: str) -> None:
    await cache.epochs.refresh()
    assert not stops.is_stopped(await stops.current(), "vllm", model)
    row = await sync_to_async(services.stop_model)(actor=SYSTEM, provider="vllm", model=model)
    assert stops.is_stopped(await stops.current(), "vllm", model)
    assert not stops.is_stopped(await stops.current(), "vllm", "another")
    await sync_to_async(services.resume_model)(actor=SYSTEM, stop_id=row.pk)
    assert not stops.is_stopped(await stops.current(), "vllm", model)


def test_provider__stopped__stands_for_all_of_its_models() -> None:
    assert stops.is_stopped(frozenset({("openai", "")}), "openai", "any")
    assert not stops.is_stopped(frozenset({("openai", "")}), "vllm", "any")


async def test_price__is_known_after_it_is_set(model: str) -> None:
    await cache.epochs.refresh()
    unknown = prices.price_of(await prices.table(), "vllm", model, demo=False)
    assert (unknown.known, unknown.input >= prices.DEAREST.input) == (False, True)
    for value in (1, 3):
        await sync_to_async(services.set_price)(actor=SYSTEM, price=listed(model, value))
        found = prices.price_of(await prices.table(), "vllm", model, demo=False)
        assert (found.known, found.cost(1_000_000, 0)) == (True, value * 1_000_000)


def test_price__that_is_so_already__is_no_event(model: str) -> None:
    for price in ("1.5", "1.5000"):
        services.set_price(actor=SYSTEM, price=listed(model, input_price=Decimal(price)))
    assert actions() == [("model_price.created", "")]


def whole() -> list[Listed]:
    names = tuple(Listed.model_fields)
    return [Listed(**{name: getattr(row, name) for name in names}) for row in ModelPrice.objects.all()]


def test_table__replaced__has_exactly_what_was_sent(model: str) -> None:
    before = whole()
    tag = services.prices_tag(ModelPrice.objects.all())
    assert len(before) >= 4, "an installation begins with list prices"
    doubled = refused(services.set_prices, actor=SYSTEM, prices=[*before, before[0]])
    stale = refused(services.set_prices, actor=SYSTEM, prices=[], match='"another"')
    assert (doubled.errors[0]["rule"], stale.code, whole()) == ("doubled", "precondition_failed", before)
    services.set_prices(actor=SYSTEM, prices=[*before, listed(model)], match=tag)
    assert {each.model for each in whole()} == {model, *(each.model for each in before)}
    services.set_prices(actor=SYSTEM, prices=before)
    assert whole() == before
    assert actions() == [("model_price.created", ""), ("model_price.deleted", "")]


def test_table__replaced_by_many_who_have_seen_the_same__is_one_ones(model: str) -> None:
    before, tag = whole(), services.prices_tag(ModelPrice.objects.all())

    def once(number: int) -> str:
        try:
            mine = [*before, listed(f"{model}-{number}")]
            services.set_prices(actor=SYSTEM, prices=mine, match=tag)
        except Problem as problem:
            return problem.code
        finally:
            connections.close_all()
        return "done"

    contexts = [copy_context() for _ in range(6)]
    with ThreadPoolExecutor(6) as together:
        found = list(together.map(lambda pair: pair[1].run(once, pair[0]), enumerate(contexts)))
    assert (sorted(found), len(whole())) == (["done"] + ["precondition_failed"] * 5, len(before) + 1)
    services.set_prices(actor=SYSTEM, prices=before)


@pytest.mark.parametrize(
    "wrong",
    [{"input_price": -1}, {"output_price": "x"}, {"input_price": "0.00001"}, {"max_output_tokens": 0}],
    ids=str,
)
def test_price__that_means_nothing__refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        listed("m", **wrong)
