from django.db import migrations

from qualisys.database.sql import run_sql

SQL = """
SELECT app_govern('agent_versions', '{"object": "version", "id": "id", "topic": "agents"}');

-- A version is what behaved that way: its content never changes and it is never deleted.
CREATE FUNCTION version_is_immutable() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' OR (NEW.agent_id, NEW.version, NEW.system_prompt, NEW.output_schema, NEW.content_hash, NEW.changelog)
      IS DISTINCT FROM (OLD.agent_id, OLD.version, OLD.system_prompt, OLD.output_schema, OLD.content_hash, OLD.changelog)
  THEN
    RAISE EXCEPTION 'a version is immutable: create a new one' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER version_is_immutable BEFORE UPDATE OR DELETE ON agent_versions
  FOR EACH ROW EXECUTE FUNCTION version_is_immutable();
"""


class Migration(migrations.Migration):
    dependencies = [("versions", "0001_initial"), ("agents", "0002_log_and_audit")]

    operations = [run_sql(SQL)]
