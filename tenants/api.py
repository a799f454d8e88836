"""Signing in by API: tokens for people, renewed and ended here."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.http.request import split_domain_port
from ninja import Router, Status

from qualisys.access import Open, Requires
from qualisys.database.threads import in_thread
from qualisys.problems import Problem
from qualisys.schemas import REFUSALS
from tenants import directory
from tenants.authentication import host_tenant
from tenants.identity import identity_of
from tenants.schemas import RefreshIn, SignIn, TokenPair
from tenants.signin import entry
from tenants.tokens import Pair

auth = Router(tags=["sign-in"])


@auth.post("/token", response={200: TokenPair, **REFUSALS}, auth=Open("a password is the credential"))
async def token(request: HttpRequest, body: SignIn) -> dict[str, Any]:
    """Exchange e-mail and password, and the code of a second factor where there is one, for tokens."""
    home = await host_tenant(split_domain_port(request.get_host())[0])
    tenant = await directory.by_id(body.tenant) if body.tenant else home
    if body.tenant and tenant is None:
        raise entry.refused()
    if home is not None and (tenant is None or tenant.id != home.id):
        raise Problem(
            "permission_denied", "This host belongs to another organisation than the one you named."
        )
    came = entry.visit(request)
    pair = await in_thread(entry.tokens_by_password, tenant, body.email, body.password, body.otp, came)
    return _out(pair)


@auth.post("/refresh", response={200: TokenPair, **REFUSALS}, auth=Open("a refresh token is the credential"))
async def refresh(request: HttpRequest, body: RefreshIn) -> dict[str, Any]:
    """Exchange a refresh token for the next pair; each one works once."""
    return _out(await in_thread(entry.with_refresh, body.refresh))


@auth.post("/logout", response={204: None, **REFUSALS}, auth=Requires(None))
async def logout(request: HttpRequest) -> Status[None]:
    """End the session that the token belongs to."""
    await in_thread(entry.end, identity_of(request))
    return Status(204, None)


def _out(pair: Pair) -> dict[str, Any]:
    return {"access": pair.access, "refresh": pair.refresh, "expires_in": pair.expires_in}
