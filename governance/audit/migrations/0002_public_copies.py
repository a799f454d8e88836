from django.db import migrations

from qualisys.database.sql import run_sql

# The public copies of what tenants have in their own schemas belong to the platform. Without this a tenant whose
# schema is gone would read and write them, because its search path ends in public.
SQL = """
DO $$ DECLARE t regclass; BEGIN
  FOR t IN SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
      AND (relname LIKE 'governance\\_%' OR relname LIKE 'guardian\\_%') LOOP
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY platform_only ON %s USING (app_is_platform()) WITH CHECK (app_is_platform())', t);
  END LOOP;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0001_initial"),
        ("governance", "0001_initial"),
        ("guardian", "0003_remove_groupobjectpermission_guardian_gr_content_ae6aec_idx_and_more"),
        ("qualisys", "0001_ground"),
    ]

    operations = [run_sql(SQL)]
