from pathlib import Path

from django.db import migrations

from qualisys.database.sql import run_file


class Migration(migrations.Migration):
    dependencies = [("agents", "0001_initial"), ("qualisys", "0001_ground")]

    operations = [run_file(Path(__file__).with_name("log.sql"))]
