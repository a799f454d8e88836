from pathlib import Path

from django.db import migrations, models

from qualisys.database.sql import run_file


class Migration(migrations.Migration):
    """The outbox, row-level isolation and the audit chain: in place before the first governed row."""

    initial = True
    dependencies = []

    operations = [
        migrations.CreateModel(
            name="OutboxEvent",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("topic", models.CharField(max_length=100)),
                ("tenant_id", models.UUIDField(null=True)),
                ("payload", models.JSONField(default=dict)),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={"ordering": ["id"]},
        ),
        run_file(Path(__file__).with_name("ground.sql")),
    ]
