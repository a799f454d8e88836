"""The brake on guessing: attempts counted in Redis, by account and by address. Without it nobody is let in."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from uuid import UUID

import redis
from django.conf import settings

from qualisys.problems import Problem

#: Sign-ins a minute for one e-mail address, and for one client address.
PER_EMAIL, PER_HOST = 10, 60
#: Wrong codes and passwords of somebody who is known already, in a quarter of an hour.
PER_PERSON = 10
#: Mails in a quarter of an hour to one e-mail address, and for one client address.
MAILS_PER_EMAIL, MAILS_PER_HOST = 3, 30
_MINUTE, _QUARTER = 60, 900

_COUNT = """
local wait = 0
for i, key in ipairs(KEYS) do
  local most, seconds = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local count = redis.call('INCR', key)
  if count == 1 then redis.call('EXPIRE', key, seconds) end
  if count > most then wait = math.max(wait, redis.call('TTL', key), 1) end
end
return wait
"""


@dataclass(frozen=True, slots=True)
class _Limit:
    key: str
    most: int
    seconds: int


@functools.cache
def _client() -> redis.Redis:
    # Impatient: who waits here holds a database thread, and a frozen Redis is not worth one.
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=0.5, socket_connect_timeout=0.5)


def slow_down(*, host: str, email: str) -> None:
    """Count a sign-in; raise `rate_limited` above what a person needs, `guard_unavailable` where nobody counts."""
    _count(_Limit(_email(email), PER_EMAIL, _MINUTE), _Limit(_host(host), PER_HOST, _MINUTE))


def slow_down_host(*, host: str) -> None:
    """Count an attempt that names nobody: a passkey, an invitation."""
    _count(_Limit(_host(host), PER_HOST, _MINUTE))


def slow_down_person(user_id: UUID, what: str) -> None:
    """Count a try at a secret of somebody who is known: a code, or the password that confirms a change."""
    _count(_Limit(_person(user_id, what), PER_PERSON, _QUARTER))


def forgive(user_id: UUID, what: str) -> None:
    """Forget the tries of somebody who got it right."""
    try:
        _client().delete(_person(user_id, what))
    except redis.RedisError:
        return


def slow_down_mails(*, host: str, email: str) -> None:
    """Count a mail that anybody may ask for."""
    _count(
        _Limit(f"{_email(email)}:mail", MAILS_PER_EMAIL, _QUARTER),
        _Limit(f"{_host(host)}:mail", MAILS_PER_HOST, _QUARTER),
    )


def _count(*limits: _Limit) -> None:
    keys = [limit.key for limit in limits]
    values = [value for limit in limits for value in (limit.most, limit.seconds)]
    try:
        wait: int = _client().eval(_COUNT, len(keys), *keys, *values)
    except redis.RedisError as error:
        detail = "Signing in is paused: the guard does not answer. Try again in a few seconds."
        raise Problem("guard_unavailable", detail, headers={"Retry-After": "2"}) from error
    if wait:
        often = "a minute" if wait <= _MINUTE else f"{-(-wait // _MINUTE)} minutes"
        detail = f"Too many attempts. Wait {often} and try again."
        raise Problem("rate_limited", detail, headers={"Retry-After": str(wait)})


def _email(email: str) -> str:
    # Addresses are personal and of any length; the counter needs neither.
    return f"signin:email:{hashlib.sha256(email.strip().lower().encode()).hexdigest()[:32]}"


def _host(host: str) -> str:
    return f"signin:host:{host}"


def _person(user_id: UUID, what: str) -> str:
    return f"signin:{what}:{user_id}"
