"""The protocol with an organisation's OpenID Connect provider: authorization code flow, PKCE, a verified ID token.

The provider's address comes from a tenant, so it is not trusted: deadlines, bounded answers, no redirects, and no
connection into the installation's own network.
"""

from __future__ import annotations

import base64
import hmac
import ipaddress
import secrets
import socket
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode, urlsplit

import aiohttp
import jwt
import orjson
from aiohttp.abc import AbstractResolver, ResolveResult
from django.conf import settings

from qualisys.problems import Problem

#: Seconds for a whole answer of the provider, and its largest size in bytes.
_DEADLINE, _LARGEST = 5.0, 256 * 1024
#: Seconds by which the provider's clock may differ.
_LEEWAY = 60
_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")


@dataclass(frozen=True, slots=True)
class Client:
    """This installation as one provider knows it."""

    issuer: str
    client_id: str
    client_secret: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """What the browser keeps between leaving for the provider and coming back."""

    state: str
    nonce: str
    verifier: str


@dataclass(frozen=True, slots=True)
class Claims:
    """What the provider says about a person, verified. `email` is lower case."""

    issuer: str
    subject: str
    email: str
    email_verified: bool
    name: str


def failed(why: str) -> Problem:
    """Return the refusal of a sign-in through the provider."""
    return Problem("not_authenticated", f"Signing in through your organisation's provider failed: {why}")


def new_attempt() -> Attempt:
    """Return fresh random values for one sign-in."""
    return Attempt(secrets.token_urlsafe(24), secrets.token_urlsafe(24), secrets.token_urlsafe(48))


async def discover(issuer: str) -> dict[str, Any]:
    """Return the provider's own description; raise `not_authenticated` where it is none of this issuer's."""
    found = await _fetch("GET", f"{issuer.rstrip('/')}/.well-known/openid-configuration")
    if found.get("issuer") != issuer:
        raise failed(f"its description names another issuer, {str(found.get('issuer'))[:200]}.")
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
        check_address(str(found.get(name, "")))
    return found


async def leave(client: Client, attempt: Attempt, redirect_uri: str, hint: str = "") -> str:
    """Return the provider's address to send the browser to."""
    found = await discover(client.issuer)
    challenge = base64.urlsafe_b64encode(sha256(attempt.verifier.encode()).digest()).rstrip(b"=").decode()
    query = {
        "response_type": "code",
        "client_id": client.client_id,
        "redirect_uri": redirect_uri,
        "scope": "openid email profile",
        "state": attempt.state,
        "nonce": attempt.nonce,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        **({"login_hint": hint} if hint else {}),
    }
    address = found["authorization_endpoint"]
    return f"{address}{'&' if urlsplit(address).query else '?'}{urlencode(query)}"


async def come_back(client: Client, attempt: Attempt, redirect_uri: str, state: str, code: str) -> Claims:
    """Exchange the code for a verified ID token; raise `not_authenticated` for anything that does not fit."""
    if not state or not hmac.compare_digest(state.encode(), attempt.state.encode()):
        raise failed("the answer belongs to another sign-in. Start again.")
    found = await discover(client.issuer)
    answer = await _exchange(client, found, attempt, redirect_uri, code)
    keys = await _fetch("GET", found["jwks_uri"])
    claims = verify(client, str(answer.get("id_token", "")), keys, attempt.nonce)
    if "email" not in claims and found.get("userinfo_endpoint"):
        claims = await _with_userinfo(found["userinfo_endpoint"], str(answer.get("access_token", "")), claims)
    return Claims(
        issuer=client.issuer,
        subject=str(claims["sub"])[:255],
        email=str(claims.get("email", "")).strip().lower(),
        email_verified=claims.get("email_verified") in (True, "true"),
        name=str(claims.get("name", "")).strip()[:200],
    )


def verify(client: Client, token: str, keys: dict[str, Any], nonce: str) -> dict[str, Any]:
    """Return the claims of an ID token signed by one of `keys` for this client and sign-in."""
    try:
        header = jwt.get_unverified_header(token)
        algorithm = header.get("alg")
        if algorithm not in _ALGORITHMS:
            raise failed("its token is signed in a way that is not accepted.")
        claims: dict[str, Any] = jwt.decode(
            token,
            _key(keys, header),
            algorithms=[algorithm],
            audience=client.client_id,
            issuer=client.issuer,
            leeway=_LEEWAY,
            options={"require": ["iss", "sub", "aud", "exp", "iat"]},
        )
    except jwt.PyJWTError as error:
        raise failed("its token is not valid for this sign-in.") from error
    if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
        raise failed("its token belongs to another sign-in.")
    audiences = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
    if (len(audiences) > 1 or "azp" in claims) and claims.get("azp") != client.client_id:
        raise failed("its token is meant for another application.")
    return claims


def _key(keys: dict[str, Any], header: dict[str, Any]) -> Any:
    usable = [key for key in jwt.PyJWKSet.from_dict(keys).keys if key.public_key_use in (None, "sig")]
    fits = [key for key in usable if "kid" not in header or key.key_id == header["kid"]]
    # A key that says its algorithm takes no other; an RSA key says none in many providers.
    fits = [key for key in fits if key.key_type in _types(header["alg"])]
    if len(fits) != 1:
        raise failed("its token is signed by an unknown key.")
    return fits[0].key


def _types(algorithm: str) -> tuple[str, ...]:
    return {"ES": ("EC",), "Ed": ("OKP",)}.get(algorithm[:2], ("RSA",))


async def _exchange(
    client: Client, found: dict[str, Any], attempt: Attempt, redirect_uri: str, code: str
) -> dict[str, Any]:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri,
        "code_verifier": attempt.verifier,
    }
    ways = found.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
    if "client_secret_basic" in ways:
        return await _fetch(
            "POST",
            found["token_endpoint"],
            data=form,
            auth=aiohttp.BasicAuth(client.client_id, client.client_secret),
        )
    secret = {"client_id": client.client_id, "client_secret": client.client_secret}
    return await _fetch("POST", found["token_endpoint"], data={**form, **secret})


async def _with_userinfo(address: str, access_token: str, claims: dict[str, Any]) -> dict[str, Any]:
    check_address(address)
    more = await _fetch("GET", address, headers={"Authorization": f"Bearer {access_token}"})
    if more.get("sub") != claims["sub"]:
        raise failed("it told about somebody else.")
    return {**claims, **{name: more[name] for name in ("email", "email_verified", "name") if name in more}}


async def _fetch(method: str, address: str, **options: Any) -> dict[str, Any]:
    """Return the JSON object at an address; raise `not_authenticated` saying why there is none."""
    check_address(address)
    timeout = aiohttp.ClientTimeout(total=_DEADLINE, connect=2)
    connector = aiohttp.TCPConnector(resolver=_Outside(), use_dns_cache=False)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, connector=connector, trust_env=False) as session,
            session.request(method, address, allow_redirects=False, **options) as response,
        ):
            body = await response.content.read(_LARGEST + 1)
            while len(body) <= _LARGEST and (more := await response.content.read(_LARGEST)):
                body += more
            status = response.status
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        raise failed(f"{urlsplit(address).hostname} does not answer.") from error
    if status != 200 or len(body) > _LARGEST:
        raise failed(f"{urlsplit(address).hostname} answered with status {status}.")
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise failed(f"{urlsplit(address).hostname} gave an unreadable answer.") from error
    if not isinstance(found, dict):
        raise failed(f"{urlsplit(address).hostname} gave an unreadable answer.")
    return found


def check_address(address: str) -> None:
    """Raise `not_authenticated` for an address that the installation does not connect to."""
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:
        raise failed("an address of it cannot be read.") from error
    local = not settings.SECURE_TRANSPORT
    if parts.scheme != "https" and not (local and parts.scheme == "http"):
        raise failed("an address of it does not begin with https://.")
    if not host or parts.username or parts.password:
        raise failed("an address of it names no host.")
    try:
        literal = ipaddress.ip_address(host)
    except ValueError:
        return
    _check_outside(host, literal)


def _check_outside(host: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    mapped = getattr(address, "ipv4_mapped", None)
    inside = not (mapped or address).is_global or (mapped or address).is_multicast
    if inside and settings.SECURE_TRANSPORT and host not in settings.OIDC_PRIVATE_HOSTS:
        raise failed(f"{host} is in a private network. The operator can allow it (OIDC_PRIVATE_HOSTS).")


class _Outside(AbstractResolver):
    """Resolves names and refuses those that lead inside; what is connected to is what was looked at."""

    def __init__(self) -> None:
        self._inner = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        for each in found:
            _check_outside(host, ipaddress.ip_address(each["host"].split("%")[0]))
        return found

    async def close(self) -> None:
        await self._inner.close()
