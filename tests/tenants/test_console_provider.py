"""An organisation's provider in the console: kept by platform administrators, eased when it fails."""

from __future__ import annotations

import pytest

from qualisys import tenancy
from tenants.signin import provider
from tenants.signin.models import IdentityProvider
from tests import openid, pages
from tests.console import console, errors, last_event, post
from tests.people import somebody
from tests.portal import Portal
from tests.signin import release_brake

pytestmark = pytest.mark.usefixtures("database")
Tenants = dict[str, tenancy.Tenant]
ADD = "tenants/identityprovider/add/"


def form(tenants: Tenants, idp: openid.Provider, **changes: str) -> dict[str, str]:
    return {
        "tenant": str(tenants["spare_2"].id), "issuer": idp.issuer, "client_id": openid.CLIENT,
        "new_secret": openid.SECRET, "domains": "people.example", "default_role": "", "is_required": "on", **changes,
    }  # fmt: skip


def test_support__adds_and_eases_nothing(portal: Portal, tenants: Tenants) -> None:
    release_brake()
    with openid.running() as idp, console(portal, "platform_support") as client:
        assert post(client, ADD, **form(tenants, idp)).status_code == 403
    with tenancy.use(tenants["spare_2"]):
        assert provider.of_tenant(tenants["spare_2"].id) is None


def test_provider__refused_kept_and_eased(portal: Portal, tenants: Tenants) -> None:
    release_brake()
    home = tenants["spare_2"]
    member = somebody(home)
    with openid.running() as idp, console(portal) as client:
        try:
            assert "does not answer" in errors(
                post(client, ADD, **form(tenants, idp, issuer="http://127.0.0.1:1"))
            )
            assert "secret" in errors(post(client, ADD, **form(tenants, idp, new_secret="")))
            assert post(client, ADD, **form(tenants, idp)).status_code == 302
            page = client.get(f"/admin/tenants/identityprovider/{home.id}/change/")
            assert idp.issuer in page.text
            assert openid.SECRET not in page.text
            with pages.browser(portal, "spare_2") as browser:
                assert pages.sign_in(browser, member.email, member.password).status_code == 403
                answer = post(client, f"tenants/identityprovider/{home.id}/ease/", reason="It is down.")
                assert answer.status_code == 302
                assert pages.sign_in(browser, member.email, member.password).status_code == 302
            with tenancy.use(tenancy.platform("tests")):
                assert "It is down." in last_event(home.id, idp.issuer).body
        finally:
            with tenancy.use(home):
                IdentityProvider.objects.all().delete()
