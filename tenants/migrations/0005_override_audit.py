from django.db import migrations

from qualisys.database.sql import run_sql

SQL = """
SELECT app_isolate('tenant_agent_configs');
SELECT app_isolate('tenant_agent_config_revisions');

-- The trail says that a prompt changed and who did it; what it says is read under its own permission.
SELECT app_govern('tenant_agent_configs',
  '{"object": "agent_config", "id": "agent_id", "secret": ["custom_prompt"], "ignore": ["updated_at"], "topic": "@tenant_id"}');

-- A revision is what held then: written once, and gone only with its tenant.
CREATE FUNCTION revision_is_immutable() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' AND app_is_platform() THEN RETURN OLD; END IF;
  RAISE EXCEPTION 'a revision is immutable' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER revision_is_immutable BEFORE UPDATE OR DELETE ON tenant_agent_config_revisions
  FOR EACH ROW EXECUTE FUNCTION revision_is_immutable();
"""


class Migration(migrations.Migration):
    dependencies = [("tenants", "0004_overrides"), ("qualisys", "0001_ground")]

    operations = [run_sql(SQL)]
