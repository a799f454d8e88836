"""What a team would put together instead of the guard: purgatory's circuits, the limits of `limits`, redis-py.

It is not as good at it: between its steps other runs come in, nothing is held for a process that dies, a circuit counts
failures in a row. In `lean` it does what can be had with few steps: two circuits, runs a minute, tokens a day.
"""

from __future__ import annotations

from contextlib import AsyncExitStack

from limits import RateLimitItem, RateLimitItemPerDay, RateLimitItemPerMinute, RateLimitItemPerMonth
from limits.aio.storage import RedisStorage
from limits.aio.strategies import FixedWindowRateLimiter, SlidingWindowCounterRateLimiter
from purgatory import AsyncCircuitBreakerFactory, AsyncRedisUnitOfWork
from redis.asyncio import Redis

MUCH = 1_000_000_000
KEPT = 3600


class Composition:
    """Circuits and limits of well-known libraries, each with its own pool of connections."""

    def __init__(self, url: str) -> None:
        self._circuits = AsyncCircuitBreakerFactory(
            default_threshold=5, default_ttl=60, uow=AsyncRedisUnitOfWork(url)
        )
        self._storage = RedisStorage(f"async+{url}", implementation="redispy")
        self._rates = SlidingWindowCounterRateLimiter(self._storage)
        self._budgets = FixedWindowRateLimiter(self._storage)
        self._redis: Redis = Redis.from_url(url)
        self._a_minute: RateLimitItem = RateLimitItemPerMinute(MUCH)
        self._a_day: RateLimitItem = RateLimitItemPerDay(MUCH)
        self._a_month: RateLimitItem = RateLimitItemPerMonth(MUCH)

    async def initialize(self) -> None:
        """Connect."""
        await self._circuits.initialize()

    async def lean(self, tenant: str, agent: str, model: str, tokens: int) -> None:
        """Guard a run that ends well at once, by few limits."""
        await self._hit(self._rates, self._a_minute, 1, tenant)
        await self._hit(self._budgets, self._a_day, tokens, tenant, agent)
        await self._circuit(agent, model)

    async def whole(
        self,
        tenant: str,
        agent: str,
        model: str,
        tokens: int,
        used: int,
        run: str,
        result: bytes,
        entry: bytes,
    ) -> None:
        """Guard a run by the limits of the guard's plan, book what it used, keep its result and hand it over."""
        await self._hit(self._rates, self._a_minute, 1, tenant)
        under_way = f"under_way:{tenant}"
        if await self._redis.incr(under_way) > MUCH:
            raise RuntimeError("too many runs at once")
        booked = [
            (item, who) for item in (self._a_day, self._a_month) for who in ((tenant, agent), (tenant,))
        ]
        for item, who in booked:
            await self._hit(self._budgets, item, tokens, *who)
        await self._circuit(agent, model)
        for item, who in booked:
            await self._storage.incr(item.key_for(*who), item.get_expiry(), used - tokens)
        await self._redis.decr(under_way)
        async with self._redis.pipeline(transaction=True) as steps:
            steps.xadd(f"kept:{run}", {"e": "run.completed", "d": result})
            steps.expire(f"kept:{run}", KEPT)
            steps.set(f"answer:{run}", result, ex=KEPT)
            steps.xadd("handed", {"entry": entry})
            steps.publish(f"kept:{run}", b"")
            await steps.execute()

    async def _circuit(self, agent: str, model: str) -> None:
        async with AsyncExitStack() as stack:
            for name in (f"{agent}|{model}", model):
                await stack.enter_async_context(await self._circuits.get_breaker(name))

    async def _hit(
        self,
        limiter: FixedWindowRateLimiter | SlidingWindowCounterRateLimiter,
        item: RateLimitItem,
        cost: int,
        *who: str,
    ) -> None:
        if not await limiter.hit(item, *who, cost=cost):
            raise RuntimeError("over a limit")
