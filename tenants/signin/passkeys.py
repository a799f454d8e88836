"""Passkeys (WebAuthn): a key pair in the person's device, good for one host and only after the device knew them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import redis
import webauthn
from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.http.request import split_domain_port
from django.utils import timezone
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url, parse_client_data_json
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from qualisys import redis as qredis
from qualisys import tenancy
from qualisys.problems import Problem, invalid
from qualisys.text import unstorable
from tenants.backends import person_of
from tenants.identity import Identity
from tenants.models import User
from tenants.signin import brake
from tenants.signin.models import Passkey

#: Seconds for which a challenge may be answered, once.
_PATIENCE = 180
MOST = 20
_MALFORMED = (WebAuthnException, ValueError, KeyError, TypeError)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a passkey is used: the host it is bound to, and the origin of the page that asked the browser."""

    host: str
    origin: str


def place(request: HttpRequest) -> Place:
    """Return the place of a request."""
    return Place(split_domain_port(request.get_host())[0], f"{request.scheme}://{request.get_host()}")


def _platform() -> tenancy.Platform:
    return tenancy.platform("passkeys")


def list_own(user_id: UUID) -> list[Passkey]:
    """Return a person's passkeys, of all hosts, newest first."""
    with tenancy.use(_platform()):
        return list(Passkey.objects.filter(user_id=user_id))


def registration_options(*, identity: Identity, place: Place) -> dict[str, Any]:
    """Return what the browser needs to make a passkey here."""
    own = list_own(identity.user_id)
    if len(own) >= MOST:
        raise Problem("conflict", f"You have {MOST} passkeys. Remove one that you do not use.")
    options = webauthn.generate_registration_options(
        rp_id=place.host,
        rp_name=f"QUALISYS {identity.tenant.name}" if identity.tenant else "QUALISYS console",
        user_id=identity.user_id.bytes,
        user_name=identity.person.email,
        user_display_name=identity.person.name or identity.person.email,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED,
            require_resident_key=True,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=[
            PublicKeyCredentialDescriptor(id=bytes(each.credential_id))
            for each in own
            if each.host == place.host
        ],
    )
    _remember(place, f"add:{identity.user_id}", options.challenge)
    found: dict[str, Any] = json.loads(webauthn.options_to_json(options))
    return found


def register(*, identity: Identity, place: Place, name: str, credential: dict[str, Any]) -> Passkey:
    """Keep a passkey that the browser has made; raise `validation_error` for one that does not hold."""
    name = name.strip()
    if not name or len(name) > 100 or unstorable(name):
        raise invalid(
            "name", "length", "Name the passkey, in up to 100 characters: after the device it is on."
        )
    try:
        made = webauthn.verify_registration_response(
            credential=credential,
            expected_challenge=_answered(place, f"add:{identity.user_id}", credential),
            expected_rp_id=place.host,
            expected_origin=place.origin,
            require_user_verification=True,
        )
    except _MALFORMED as error:
        raise invalid("credential", "passkey", "This passkey could not be checked. Try again.") from error
    try:
        with tenancy.use(_platform()), transaction.atomic():
            return Passkey.objects.create(
                user_id=identity.user_id,
                name=name,
                host=place.host,
                credential_id=made.credential_id,
                public_key=made.credential_public_key,
                sign_count=made.sign_count,
            )
    except IntegrityError as error:
        raise Problem("conflict", "This passkey is known already.") from error


def remove(*, user_id: UUID, passkey_id: UUID) -> Passkey:
    """Forget one of a person's own passkeys: it opens nothing from now on."""
    with tenancy.use(_platform()), transaction.atomic():
        row = Passkey.objects.filter(user_id=user_id, pk=passkey_id).first()
        if row is None:
            raise Problem("not_found", "There is no such passkey of yours.")
        row.delete()
    return row


def entry_options(*, place: Place, address: str) -> dict[str, Any]:
    """Return what the browser needs to show the passkeys it has for this host."""
    brake.slow_down_host(host=address)
    options = webauthn.generate_authentication_options(
        rp_id=place.host, user_verification=UserVerificationRequirement.REQUIRED
    )
    _remember(place, "enter", options.challenge)
    found: dict[str, Any] = json.loads(webauthn.options_to_json(options))
    return found


def enter(*, place: Place, credential: dict[str, Any], address: str) -> User:
    """Return whose passkey has answered, if they belong to the current tenant or platform.

    Raises `not_authenticated` for a wrong, unknown, copied or foreign one.
    """
    brake.slow_down_host(host=address)
    refused = Problem(
        "not_authenticated", "This passkey does not let you in here. Sign in with your password."
    )
    try:
        challenge = _answered(place, "enter", credential)
        credential_id = base64url_to_bytes(credential["rawId"])
        user_id = _verified(place, challenge, credential_id, credential)
    except _MALFORMED as error:
        raise refused from error
    user = User.objects.filter(pk=user_id, is_active=True).first() if user_id else None
    if user is None or person_of(user) is None:
        raise refused
    return user


def _verified(
    place: Place, challenge: bytes, credential_id: bytes, credential: dict[str, Any]
) -> UUID | None:
    with tenancy.use(_platform()), transaction.atomic():
        # Locked: of two answers with the same counter, one is a copy's.
        row = Passkey.objects.select_for_update().filter(credential_id=credential_id, host=place.host).first()
        if row is None:
            return None
        handle = credential["response"].get("userHandle")
        if handle and base64url_to_bytes(handle) != row.user_id.bytes:
            return None
        done = webauthn.verify_authentication_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=place.host,
            expected_origin=place.origin,
            credential_public_key=bytes(row.public_key),
            credential_current_sign_count=row.sign_count,
            require_user_verification=True,
        )
        row.sign_count, row.last_used_at = done.new_sign_count, timezone.now()
        row.save(update_fields=["sign_count", "last_used_at"])
        user_id: UUID = row.user_id
        return user_id


def _key(place: Place, purpose: str, challenge: bytes) -> str:
    return f"passkey:{place.host}:{purpose}:{bytes_to_base64url(challenge)}"


def _remember(place: Place, purpose: str, challenge: bytes) -> None:
    try:
        qredis.sync_client().set(_key(place, purpose, challenge), "1", ex=_PATIENCE)
    except redis.RedisError as error:
        raise _away() from error


def _answered(place: Place, purpose: str, credential: dict[str, Any]) -> bytes:
    """Return the challenge that was answered and use it up; raise ValueError for one that nobody asked."""
    told = parse_client_data_json(base64url_to_bytes(credential["response"]["clientDataJSON"]))
    if len(told.challenge) > 128:
        raise ValueError("no challenge of ours")
    try:
        known = qredis.sync_client().getdel(_key(place, purpose, told.challenge))
    except redis.RedisError as error:
        raise _away() from error
    if known is None:
        raise ValueError("nobody asked for this")
    return told.challenge


def _away() -> Problem:
    detail = "Passkeys are paused: the guard does not answer. Try again in a few seconds."
    return Problem("guard_unavailable", detail, headers={"Retry-After": "2"})
