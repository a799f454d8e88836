"""Applies `roles.sql`, the one description of the database and its three roles, to any server.

python -m qualisys.embedded.roles --admin-url postgresql://admin@host/postgres            prints it
python -m qualisys.embedded.roles --admin-url postgresql://admin@host/postgres --apply    applies it
"""

from __future__ import annotations

import argparse
import re
import secrets
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
from psycopg import sql

SCRIPT = Path(__file__).with_name("roles.sql")
DATABASE = "qualisys"
OWNER, APP, READONLY = "qualisys_owner", "qualisys_app", "qualisys_readonly"
#: Passwords by role.
Passwords = Mapping[str, str]

_STATEMENT = re.compile(r"\s*(?P<text>.*?)(?P<end>;$|^\\gexec$|^\\connect [^\n]+$)", re.MULTILINE | re.DOTALL)
_VARIABLE = re.compile(r""":(?P<quote>['"])(?P<name>\w+)(?P=quote)""")


def apply(admin_url: str, *, database: str = DATABASE, passwords: Passwords | None = None) -> list[str]:
    """Brings a server to what the script says and sets the passwords; returns the roles it created.

    Raises psycopg.Error where the administrator may not do it.
    """
    names = {"owner": OWNER, "app": APP, "readonly": READONLY, "database": database}
    connection = psycopg.connect(admin_url, autocommit=True)
    try:
        before = _existing_roles(connection)
        for statement, end in _statements(SCRIPT.read_text(encoding="utf-8"), names):
            if end == "connect":
                connection.close()
                connection = psycopg.connect(database_url(admin_url, database=database), autocommit=True)
            elif end == "gexec":
                for (generated,) in connection.execute(statement).fetchall():
                    connection.execute(generated)
            else:
                connection.execute(statement)
        set_passwords(connection, passwords or {})
        return [role for role in _existing_roles(connection) if role not in before]
    finally:
        connection.close()


def set_passwords(connection: psycopg.Connection, passwords: Passwords) -> None:
    """Sets passwords as SCRAM verifiers, so that no password is ever in a statement or in a server's log."""
    for role, password in passwords.items():
        verifier = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256")
        statement = sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), verifier.decode())
        connection.execute(statement)


def database_url(url: str, *, database: str, role: str | None = None, password: str = "") -> str:
    """The same server, another database and, if given, another role."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    who = f"{quote(role, safe='')}:{quote(password, safe='')}@{host}" if role else parts.netloc
    return urlunsplit(parts._replace(netloc=who, path=f"/{quote(database, safe='')}"))


def _existing_roles(connection: psycopg.Connection) -> list[str]:
    query = "SELECT rolname FROM pg_roles WHERE rolname = ANY (%s) ORDER BY rolname"
    return [name for (name,) in connection.execute(query, [[OWNER, APP, READONLY]]).fetchall()]


def _statements(script: str, names: Mapping[str, str]) -> Iterator[tuple[sql.Composed, str]]:
    """The statements of a psql script, variables filled in, each with what to do: run, gexec, connect."""
    script = re.sub(r"^--.*$", "", script, flags=re.MULTILINE)
    for match in re.finditer(_STATEMENT, script + "\n"):
        end = match["end"].lstrip("\\").split()[0] if match["end"] != ";" else "run"
        yield _fill_in(match["text"], names), end


def _fill_in(text: str, names: Mapping[str, str]) -> sql.Composed:
    parts: list[sql.Composable] = []
    position = 0
    for variable in re.finditer(_VARIABLE, text):
        name = names[variable["name"]]
        # Plain SQL text: the script is a file of ours, only the names come from outside.
        parts.append(sql.SQL(text[position : variable.start()]))
        parts.append(sql.Identifier(name) if variable["quote"] == '"' else sql.Literal(name))
        position = variable.end()
    return sql.Composed([*parts, sql.SQL(text[position:])])


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m qualisys.embedded.roles", description=__doc__)
    parser.add_argument("--admin-url", required=True, help="postgresql:// address of an administrator")
    parser.add_argument("--database", default=DATABASE)
    parser.add_argument("--apply", action="store_true", help="apply it; without, the script is printed")
    parser.add_argument("--new-passwords", action="store_true", help="also for roles that exist already")
    chosen = parser.parse_args(arguments)
    if not chosen.apply:
        print(SCRIPT.read_text(encoding="utf-8"))
        return 0
    try:
        created = apply(chosen.admin_url, database=chosen.database)
        roles = [OWNER, APP, READONLY] if chosen.new_passwords else created
        passwords = {role: secrets.token_urlsafe(24) for role in roles}
        with psycopg.connect(chosen.admin_url, autocommit=True) as connection:
            set_passwords(connection, passwords)
    except psycopg.Error as error:
        print(f"qualisys: {str(error).strip().splitlines()[0]}", file=sys.stderr)
        return 1
    names = {OWNER: "DATABASE_OWNER_URL", APP: "DATABASE_URL", READONLY: "DATABASE_READONLY_URL"}
    for role, password in passwords.items():
        url = database_url(chosen.admin_url, database=chosen.database, role=role, password=password)
        print(f"{names[role]}={url}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
