import uuid
from django.db import migrations, models

from qualisys.database.sql import run_sql
from tenants.prompts.patterns import seed

SQL = """
-- Every context reads the patterns, because a prompt is checked where it is saved; only the platform changes them.
ALTER TABLE tenants_promptpattern ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenants_promptpattern FORCE ROW LEVEL SECURITY;
CREATE POLICY everybody_reads ON tenants_promptpattern FOR SELECT
  USING (app_is_platform() OR app_tenant() IS NOT NULL);
CREATE POLICY platform_writes ON tenants_promptpattern USING (app_is_platform()) WITH CHECK (app_is_platform());
SELECT app_govern('tenants_promptpattern', '{"object": "prompt_pattern", "id": "name", "ignore": ["updated_at"]}');
"""


def forwards(apps, schema_editor):
    seed(apps.get_model("tenants", "PromptPattern"))


class Migration(migrations.Migration):
    """What no custom prompt may say; seeding again changes nothing."""

    dependencies = [
        ("tenants", "0002_isolation_and_audit"),
    ]

    operations = [
        migrations.CreateModel(
            name="PromptPattern",
            fields=[
                (
                    "id",
                    models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False),
                ),
                ("name", models.SlugField(max_length=60, unique=True)),
                (
                    "family",
                    models.CharField(
                        choices=[
                            ("override", "an order to set earlier instructions aside"),
                            ("role", "a message that poses as the system"),
                            ("delimiter", "a control token of a chat format"),
                            ("leak", "a request for hidden instructions"),
                            ("persona", "a persona without rules"),
                            ("policy", "a suspension of safety rules"),
                            ("encoded", "an order in encoded form"),
                            ("splitting", "an order in pieces"),
                            ("exfiltration", "a way of carrying data out"),
                            ("dialogue", "an invented dialogue or end of the task"),
                            ("authority", "a claim of authority over the agent"),
                            ("gates", "a way around approvals or limits"),
                            ("other", "something that this platform does not allow"),
                        ],
                        default="other",
                        max_length=20,
                    ),
                ),
                ("pattern", models.CharField(max_length=500)),
                ("note", models.CharField(blank=True, max_length=300)),
                ("enabled", models.BooleanField(default=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
            ],
            options={
                "verbose_name": "prompt pattern",
                "ordering": ["family", "name"],
            },
        ),
        run_sql(SQL),
        migrations.RunPython(forwards, migrations.RunPython.noop),
    ]
