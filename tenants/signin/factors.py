"""The second factor: an authenticator app (TOTP, RFC 6238), and recovery codes for the day it is lost."""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Iterable
from hashlib import sha256
from uuid import UUID

import pyotp
import segno
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from qualisys import secretbox, tenancy
from qualisys.problems import Problem
from tenants.signin import brake
from tenants.signin.models import Authenticator, RecoveryCode

PERIOD = 30
RECOVERY_CODES = 10
_ISSUER = "QUALISYS"
#: Without letters and digits that are taken for one another.
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"


def _platform() -> tenancy.Platform:
    # A person's factors are nobody's but theirs: no tenant's context reads them.
    return tenancy.platform("second factor")


def is_on(user_id: UUID) -> bool:
    """Tell whether a code is asked of the person."""
    return bool(who_has([user_id]))


def who_has(user_ids: Iterable[UUID]) -> set[UUID]:
    """Return those of the people who have a second factor."""
    with tenancy.use(_platform()):
        rows = Authenticator.objects.filter(user_id__in=list(user_ids), confirmed_at__isnull=False)
        return set(rows.values_list("user_id", flat=True))


def codes_left(user_id: UUID) -> int:
    """Return how many recovery codes the person has not used yet."""
    with tenancy.use(_platform()):
        return RecoveryCode.objects.filter(user_id=user_id, used_at__isnull=True).count()


def begin(*, user_id: UUID) -> str:
    """Return the secret for a new authenticator app, the same until it is confirmed; raise `conflict` if one is on."""
    with tenancy.use(_platform()), transaction.atomic():
        row = Authenticator.objects.select_for_update().filter(user_id=user_id).first()
        if row is not None and row.confirmed_at is not None:
            raise Problem(
                "conflict", "Two-factor sign-in is on already. Turn it off before setting it up anew."
            )
        if row is None:
            secret = pyotp.random_base32()
            Authenticator.objects.create(user_id=user_id, secret=secretbox.seal(secret.encode()))
            return secret
        return secretbox.unseal(bytes(row.secret)).decode()


def qr_code(secret: str, email: str) -> str:
    """Return the picture that an authenticator app scans, as inline SVG."""
    address = pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name=_ISSUER)
    code = segno.make(address, error="m", micro=False)
    picture: str = code.svg_inline(
        scale=4, border=4, dark="#000", light="#fff", omitsize=True, svgclass="qr-code"
    )
    return picture


def confirm(*, user_id: UUID, code: str) -> list[str]:
    """Turn the second factor on with the app's first code; return the recovery codes, shown this once."""
    brake.slow_down_person(user_id, "code")
    with tenancy.use(_platform()), transaction.atomic():
        row = Authenticator.objects.select_for_update().filter(user_id=user_id).first()
        if row is None or row.confirmed_at is not None:
            raise Problem("conflict", "There is nothing to confirm. Set two-factor sign-in up again.")
        step = _matching_step(row, code)
        if step is None:
            raise _wrong_code()
        row.last_step, row.confirmed_at = step, timezone.now()
        row.save(update_fields=["last_step", "confirmed_at"])
        codes = _new_codes(user_id)
    brake.forgive(user_id, "code")
    return codes


def check(*, user_id: UUID, code: str) -> None:
    """Use up a code of the app or a recovery code; raise `not_authenticated` for a wrong or used one."""
    brake.slow_down_person(user_id, "code")
    with tenancy.use(_platform()), transaction.atomic():
        row = (
            Authenticator.objects.select_for_update()
            .filter(user_id=user_id, confirmed_at__isnull=False)
            .first()
        )
        step = _matching_step(row, code) if row is not None else None
        if row is not None and step is not None:
            row.last_step = step
            row.save(update_fields=["last_step"])
        elif not _use_recovery_code(user_id, code):
            raise _wrong_code()
    brake.forgive(user_id, "code")


def renew_codes(*, user_id: UUID, code: str) -> list[str]:
    """Replace the recovery codes, confirmed by a code; return the new ones, shown this once."""
    check(user_id=user_id, code=code)
    with tenancy.use(_platform()), transaction.atomic():
        return _new_codes(user_id)


def turn_off(*, user_id: UUID, code: str) -> None:
    """Forget the authenticator and its recovery codes, confirmed by a code."""
    check(user_id=user_id, code=code)
    forget(user_id=user_id)


def forget(*, user_id: UUID) -> None:
    """Forget a person's second factor; the caller has made sure that this is wanted."""
    with tenancy.use(_platform()), transaction.atomic():
        for row in Authenticator.objects.filter(user_id=user_id):
            row.delete()
        RecoveryCode.objects.filter(user_id=user_id).delete()


def _wrong_code() -> Problem:
    told = "This code is not right, or was used already. Enter the one your app shows now."
    return Problem("not_authenticated", told, errors=[{"field": "otp", "rule": "code", "message": told}])


def _matching_step(row: Authenticator, code: str) -> int | None:
    """Return the time step that a code belongs to, if it was not used: the present one or a neighbour."""
    typed = "".join(code.split())
    if len(typed) != 6 or not (typed.isascii() and typed.isdigit()):
        return None
    totp = pyotp.TOTP(secretbox.unseal(bytes(row.secret)).decode())
    now = int(time.time()) // PERIOD
    fits = [step for step in (now - 1, now, now + 1) if hmac.compare_digest(totp.generate_otp(step), typed)]
    return next((step for step in fits if step > row.last_step), None)


def _new_codes(user_id: UUID) -> list[str]:
    RecoveryCode.objects.filter(user_id=user_id).delete()
    codes = ["".join(secrets.choice(_ALPHABET) for _ in range(10)) for _ in range(RECOVERY_CODES)]
    RecoveryCode.objects.bulk_create(RecoveryCode(user_id=user_id, code_hash=_hash(code)) for code in codes)
    return [f"{code[:5]}-{code[5:]}" for code in codes]


def _use_recovery_code(user_id: UUID, typed: str) -> bool:
    plain = "".join(typed.lower().split()).replace("-", "")[:64]
    found = RecoveryCode.objects.filter(user_id=user_id, code_hash=_hash(plain), used_at__isnull=True)
    return found.update(used_at=timezone.now()) == 1


def _hash(code: str) -> str:
    return hmac.new(settings.SECRET_KEY.encode(), b"recovery-code:" + code.encode(), sha256).hexdigest()
