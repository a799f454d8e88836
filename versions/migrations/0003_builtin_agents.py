from django.db import migrations

from versions.builtin import seed


def forwards(apps, schema_editor):
    seed(apps.get_model("agents", "AgentDefinition"), apps.get_model("versions", "AgentVersion"))


class Migration(migrations.Migration):
    """The seven built-in agents; running it again changes nothing."""

    dependencies = [("versions", "0002_audit")]

    operations = [migrations.RunPython(forwards, migrations.RunPython.noop)]
