"""The environment is parsed once; what it refuses, it refuses in one line that names the variable."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from qualisys.embedded import state
from qualisys.environment import (
    ROOT,
    EnvironmentRefusedError,
    database_parts,
    email_parts,
    read_environment,
)

KEY = "0123456789" * 5
GIVEN = {
    "DATABASE_URL": "postgresql://app:one@db.example:5433/house",
    "REDIS_URL": "redis://:two@cache.example/0",
    "SECRET_KEY": KEY,
}


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("DEMO_MODEL", "maybe", '"maybe" is not a yes or no'),
        ("QUALISYS_PORT", "http", '"http" is not a whole number from 1 to 65535'),
        ("QUALISYS_PORT", "65536", '"65536" is not a whole number from 1 to 65535'),
        ("WEB_PROCESSES", "0", '"0" is not a whole number from 1 to 64'),
        ("DATABASE_ROLE", "root", '"root" is not a database role'),
        ("DATABASE_URL", "mysql://app:canary@db/house", "is not a URL of the form postgresql://"),
        ("DATABASE_URL", "postgresql://app:canary@db", "is not a URL of the form postgresql://"),
        ("DATABASE_URL", "postgresql://app:canary@db:port/house", "is not a URL of the form postgresql://"),
        ("REDIS_URL", "memcached://:canary@cache", "is not a URL that begins with redis://"),
        ("SECRET_KEY", "canary", "is shorter than 32 characters"),
        ("VLLM_BASE_URL", "llm.example", "is not a URL that begins with http://"),
        ("ARCHIVE_URL", "ftp://store", "is not a URL that begins with file://"),
        ("EMAIL_URL", "mail.example:25", "is not a URL of the form smtp://"),
        ("EMAIL_URL", "smtp://", "is not a URL of the form smtp://"),
        ("EMAIL_URL", "file://", "is not a URL of the form smtp://"),
        ("EMAIL_URL", "smtp://user:canary@mail.example?starttls=perhaps", '"perhaps" is not a yes or no'),
        ("EMAIL_FROM", "nobody", "is not an e-mail address"),
    ],
)
def test_value__malformed__refused_in_one_line_without_secrets(name: str, value: str, reason: str) -> None:
    with pytest.raises(EnvironmentRefusedError) as refused:
        read_environment({**GIVEN, name: value}, Path("/nowhere"))

    message = str(refused.value)
    assert message.startswith(f"{name}: {reason}")
    assert "\n" not in message
    assert "canary" not in message


def test_values__two_malformed__both_are_named() -> None:
    with pytest.raises(EnvironmentRefusedError, match=r"QUALISYS_PORT: .*; DEBUG is wrong too"):
        read_environment({**GIVEN, "QUALISYS_PORT": "x", "DEBUG": "x"}, Path("/nowhere"))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("QUALISYS_PROT=8001\n", "QUALISYS_PROT is not a variable of this product"),
        ("DEBUG=1\nQUALISYS_PORT\n", "line 2 is not of the form NAME=value"),
        ("DEBUG='1\n", "line 1 is not of the form NAME=value"),
    ],
)
def test_dotenv__unknown_or_unreadable_line__refused(tmp_path: Path, content: str, reason: str) -> None:
    (tmp_path / ".env").write_text(content)

    with pytest.raises(EnvironmentRefusedError, match=reason):
        read_environment(GIVEN, tmp_path)


def test_secret_file__missing__refused(tmp_path: Path) -> None:
    missing = {"REDIS_URL_FILE": str(tmp_path / "none")}

    with pytest.raises(EnvironmentRefusedError, match=r"REDIS_URL_FILE: .*none cannot be read: No such file"):
        read_environment({**missing, "DATABASE_URL": GIVEN["DATABASE_URL"]}, tmp_path)


def test_secret__given_twice__refused(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentRefusedError, match="REDIS_URL and REDIS_URL_FILE are both set"):
        read_environment({**GIVEN, "REDIS_URL_FILE": "/x"}, tmp_path)


def test_owner_role__without_address__refused() -> None:
    with pytest.raises(EnvironmentRefusedError, match="DATABASE_OWNER_URL is not set"):
        read_environment({**GIVEN, "DATABASE_ROLE": "owner"}, Path("/nowhere"))


def test_servers__neither_named_nor_running__says_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentRefusedError, match="start `make run`, or set DATABASE_URL"):
        read_environment({"QUALISYS_HOME": str(tmp_path)}, tmp_path)


def test_load__malformed_value__one_line_and_exit_code_2() -> None:
    command = [sys.executable, "-c", "from qualisys.environment import load_environment; load_environment()"]
    ended = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **GIVEN, "DEMO_MODEL": "maybe"}, capture_output=True, text=True
    )

    assert ended.returncode == 2
    assert ended.stderr.splitlines() == [
        'qualisys: DEMO_MODEL: "maybe" is not a yes or no (1, 0, true, false, yes, no, on, off)'
    ]


def test_layers__process_over_dotenv_over_default(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("QUALISYS_PORT=9000\nWEB_PROCESSES=3\nOPENAI_API_KEY='from file' # why\n")

    environment = read_environment({**GIVEN, "QUALISYS_PORT": "9001"}, tmp_path)

    assert (environment.qualisys_port, environment.web_processes, environment.debug) == (9001, 3, False)
    assert environment.openai_api_key.get_secret_value() == "from file"


def test_secret_file__content_is_stripped_and_hidden(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"  {KEY}\n")
    named = {name: value for name, value in GIVEN.items() if name != "SECRET_KEY"}

    environment = read_environment({**named, "SECRET_KEY_FILE": str(tmp_path / "key")}, tmp_path)

    assert environment.secret_key.get_secret_value() == KEY
    assert KEY not in repr(environment)


def test_empty_value__hides_dotenv(tmp_path: Path) -> None:
    """So a supervisor can withhold from a process what `.env` would tell it."""
    (tmp_path / ".env").write_text("DATABASE_OWNER_URL_FILE=/not/readable\nANTHROPIC_API_KEY=secret\n")

    environment = read_environment(
        {**GIVEN, "DATABASE_OWNER_URL": "", "ANTHROPIC_API_KEY": "", "QUALISYS_PORT": ""}, tmp_path
    )

    assert not environment.database_owner_url
    assert not environment.anthropic_api_key
    assert environment.qualisys_port == 8000


def test_variables__as_another_process_reads_them__are_the_same() -> None:
    given = {**GIVEN, "ALLOWED_HOSTS": "a.example, .b.example", "DEMO_MODEL": "no", "QUALISYS_HOME": "state"}
    environment = read_environment(given, Path("/nowhere"))

    again = read_environment(environment.as_variables(), Path("/nowhere"))

    assert again == environment
    assert again.allowed_hosts == ["a.example", ".b.example"]
    assert again.qualisys_home == ROOT / "state"


def test_database_parts__percent_encoded_and_options() -> None:
    parts = database_parts("postgresql://a%40b:p%2Fw%3A@[::1]:6000/my%20db?sslmode=require")

    assert parts == {
        "NAME": "my db",
        "USER": "a@b",
        "PASSWORD": "p/w:",
        "HOST": "::1",
        "PORT": "6000",
        "OPTIONS": {"sslmode": "require"},
    }


@pytest.fixture
def running_home(tmp_path: Path) -> Iterator[Path]:
    """A home folder whose servers seem to run."""
    lock = state.lock(tmp_path)
    addresses = {name.lower(): value for name, value in GIVEN.items()}
    state.write(tmp_path, {**addresses, "database_owner_url": "postgresql://owner:x@db.example/house"})
    yield tmp_path
    os.close(lock)


def test_servers__running__their_addresses_are_taken(running_home: Path) -> None:
    environment = read_environment({"QUALISYS_HOME": str(running_home), "DATABASE_ROLE": "owner"}, ROOT / "x")

    assert environment.database["USER"] == "owner"
    assert environment.redis_url.get_secret_value() == GIVEN["REDIS_URL"]
    assert environment.secret_key.get_secret_value() == KEY


def test_servers__running_beside_external_database__lend_no_role_and_no_key(running_home: Path) -> None:
    named = {"QUALISYS_HOME": str(running_home), "DATABASE_URL": GIVEN["DATABASE_URL"]}

    with pytest.raises(EnvironmentRefusedError, match="SECRET_KEY is not set"):
        read_environment(named, ROOT / "x")


def test_servers__ended_by_kill__left_file_is_not_believed(running_home: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / state.SERVERS).write_text((running_home / state.SERVERS).read_text())

    with pytest.raises(EnvironmentRefusedError, match="no server runs"):
        read_environment({"QUALISYS_HOME": str(other)}, ROOT / "x")


def test_email_url__says_where_mails_go_and_how() -> None:
    assert email_parts("console://")["BACKEND"].endswith("console.EmailBackend")
    assert email_parts("file:///var/mail%20box")["FILE_PATH"] == "/var/mail box"
    smtp = email_parts("smtp://user:p%40ss@mail.example:2525")
    assert (smtp["HOST"], smtp["PORT"], smtp["HOST_PASSWORD"]) == ("mail.example", 2525, "p@ss")
    assert (smtp["USE_TLS"], smtp["USE_SSL"]) == (True, False)
    assert email_parts("smtp://relay?starttls=no")["USE_TLS"] is False
    smtps = email_parts("smtps://mail.example")
    assert (smtps["PORT"], smtps["USE_SSL"], smtps["USE_TLS"]) == (465, True, False)
