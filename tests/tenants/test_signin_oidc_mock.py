"""The same against somebody else's provider: the one of the PyPI package `oidc-provider-mock`."""

from __future__ import annotations

from uuid import uuid4

import httpx2 as httpx
import oidc_provider_mock
import pytest

from qualisys import tenancy
from tenants.models import Membership
from tenants.signin import provider
from tenants.signin.models import IdentityProvider
from tests import pages
from tests.people import SYSTEM
from tests.portal import Portal
from tests.signin import release_brake

pytestmark = pytest.mark.usefixtures("database")


@pytest.mark.parametrize("verified", [True, False])
def test_newcomer__through_a_provider_that_we_did_not_write(
    portal: Portal, tenants: dict[str, tenancy.Tenant], verified: bool
) -> None:
    release_brake()
    email, home = f"{uuid4().hex[:8]}@people.example", tenants["spare_0"]
    with oidc_provider_mock.run_server_in_thread(require_nonce=True) as server:
        issuer = f"http://localhost:{server.server_port}"
        claims = {"email": email, "email_verified": verified, "name": "Mona Mock"}
        httpx.put(f"{issuer}/users/mona", json=claims).raise_for_status()
        wanted = provider.Wanted(issuer, "portal", "secret", ("people.example",), "viewer")
        with tenancy.use(home):
            provider.save(actor=SYSTEM, wanted=wanted)
        try:
            with pages.browser(portal, "spare_0") as client:
                away = client.get("/sign-in/provider/").headers["Location"]
                back = httpx.post(away, data={"sub": "mona"}).headers["Location"]
                answer = client.get(back[back.index("/sign-in/") :])
        finally:
            with tenancy.use(home):
                IdentityProvider.objects.all().delete()
    assert answer.status_code == (302 if verified else 401), answer.text
    with tenancy.use(home):
        assert Membership.objects.filter(user__email=email).exists() is verified
