from django.db import migrations

from qualisys.database.sql import run_sql

SQL = """
SELECT app_isolate('tenants_host');
SELECT app_isolate('tenants_membership');
SELECT app_isolate('tenants_apikey');
SELECT app_isolate('tenants_session');
SELECT app_isolate('tenants_tokenfamily');

-- A tenant sees itself, and the people who are its members; everybody else is the platform's business.
ALTER TABLE tenants_tenant ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenants_tenant FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON tenants_tenant USING (id = app_tenant() OR app_is_platform())
  WITH CHECK (app_is_platform());
ALTER TABLE tenants_user ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenants_user FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON tenants_user
  USING (app_is_platform() OR EXISTS (
    SELECT 1 FROM tenants_membership m WHERE m.user_id = tenants_user.id AND m.tenant_id = app_tenant()))
  WITH CHECK (app_is_platform() OR EXISTS (
    SELECT 1 FROM tenants_membership m WHERE m.user_id = tenants_user.id AND m.tenant_id = app_tenant()));
ALTER TABLE tenants_signingkey ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenants_signingkey FORCE ROW LEVEL SECURITY;
CREATE POLICY platform_only ON tenants_signingkey USING (app_is_platform()) WITH CHECK (app_is_platform());

SELECT app_govern('tenants_tenant', '{"object": "tenant", "id": "schema_name", "topic": "tenants"}');
SELECT app_govern('tenants_host', '{"object": "host", "id": "domain", "topic": "tenants"}');
SELECT app_govern('tenants_membership', '{"object": "member", "id": "user_id", "topic": "@tenant_id"}');
SELECT app_govern('tenants_apikey',
  '{"object": "api_key", "id": "prefix", "secret": ["secret_hash"], "ignore": ["last_used_at"], "topic": "@tenant_id"}');
SELECT app_govern('tenants_signingkey', '{"object": "signing_key", "id": "kid", "secret": ["private"], "topic": "platform"}');
SELECT app_govern('tenants_user',
  '{"object": "user", "id": "id", "secret": ["password"], "personal": ["email", "name"], "ignore": ["last_login"], "topic": "platform"}');
"""


class Migration(migrations.Migration):
    dependencies = [("tenants", "0001_initial"), ("qualisys", "0001_ground")]

    operations = [run_sql(SQL)]
