"""Whether a person has shown just now that it is them: asked before their account is given another way in."""

from __future__ import annotations

import time
from datetime import datetime

from django.http import HttpRequest

from qualisys.problems import Problem, invalid
from tenants.identity import identity_of
from tenants.models import User
from tenants.sessions import ORIGIN
from tenants.signin import brake, factors

#: Seconds for which a sign-in, or the password given again, counts as just now.
PATIENCE = 600
#: Where a session keeps when the person gave the password again.
_PROVED = "_proved"


def is_fresh(request: HttpRequest) -> bool:
    """Tell whether the person signed in, or proved themself, a moment ago."""
    origin = request.session.get(ORIGIN, {})
    began = datetime.fromisoformat(origin["began"]).timestamp() if origin.get("began") else 0.0
    proved: float = request.session.get(_PROVED, 0.0)
    return time.time() - max(began, proved) < PATIENCE


def check_fresh(request: HttpRequest) -> None:
    """Raise `permission_denied` where somebody may have found the browser open."""
    if not is_fresh(request):
        detail = "You signed in a while ago. Reload the page and confirm with your password that it is you."
        raise Problem("permission_denied", detail)


def prove(request: HttpRequest, *, password: str, code: str | None = None) -> None:
    """Take the password again, and the code where one is given; raise `validation_error` or `not_authenticated`."""
    user_id = identity_of(request).user_id
    brake.slow_down_person(user_id, "password")
    if not User.objects.get(pk=user_id).check_password(password):
        raise invalid("password", "password", "This is not your present password.")
    brake.forgive(user_id, "password")
    if code is not None:
        factors.check(user_id=user_id, code=code)
    request.session[_PROVED] = time.time()
