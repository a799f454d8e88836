"""What an installation may be told from outside, parsed once and refused loudly.

Every value comes from the process environment or, below it, from `.env` in the checkout. Every secret also
accepts `NAME_FILE`, a file that holds the value. Where no database or Redis is named, the servers that
`make run` started are used, as long as they run. An empty value means "not given".
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from email.utils import formataddr, parseaddr
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from dotenv.parser import parse_stream
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, SecretStr, ValidationError

from qualisys.embedded import state

ROOT = Path(__file__).resolve().parent.parent
LOCAL_HOSTS = ["localhost", ".localhost", "127.0.0.1", "[::1]"]
SECRETS = frozenset(
    {
        "SECRET_KEY",
        "DATABASE_URL",
        "DATABASE_OWNER_URL",
        "DATABASE_READONLY_URL",
        "REDIS_URL",
        "OPENAI_API_KEY",
        "ANTHROPIC_API_KEY",
        "VLLM_API_KEY",
        "EMAIL_URL",
    }
)
_WORDS = {
    "1": True,
    "true": True,
    "yes": True,
    "on": True,
    "0": False,
    "false": False,
    "no": False,
    "off": False,
}


class EnvironmentRefusedError(Exception):
    """A value from outside cannot be used. The message is one line that says which and why."""


def _yes_no(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if (word := str(value).strip().lower()) in _WORDS:
        return _WORDS[word]
    raise ValueError(f'"{value}" is not a yes or no (1, 0, true, false, yes, no, on, off)')


def _whole_number(low: int, high: int) -> Callable[[object], int]:
    def parse(value: object) -> int:
        text = str(value).strip()
        if text.isascii() and text.isdecimal() and low <= int(text) <= high:
            return int(text)
        raise ValueError(f'"{value}" is not a whole number from {low} to {high}')

    return parse


def _role(value: object) -> object:
    if value not in ("app", "owner"):
        raise ValueError(f'"{value}" is not a database role of this process (app, owner)')
    return value


def _hosts(value: object) -> object:
    return [host.strip() for host in value.split(",") if host.strip()] if isinstance(value, str) else value


def _folder(value: object) -> Path:
    path = ROOT / Path(str(value)).expanduser()
    if path.exists() and not path.is_dir():
        raise ValueError(f'"{value}" is a file, not a folder')
    return path


def _url(*schemes: str) -> Callable[[str], str]:
    def check(value: str) -> str:
        if _scheme(value) not in schemes:
            raise ValueError(f"is not a URL that begins with {' or '.join(f'{s}://' for s in schemes)}")
        return value

    return check


def _scheme(value: str) -> str:
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        return ""
    return parts.scheme if "://" in value else ""


def _redis_url(value: SecretStr) -> SecretStr:
    _url("redis", "rediss", "unix")(value.get_secret_value())
    return value


def _postgres_url(value: SecretStr) -> SecretStr:
    database_parts(value.get_secret_value())
    return value


def _secret_key(value: SecretStr) -> SecretStr:
    if len(value) < 32:
        raise ValueError("is shorter than 32 characters")
    return value


def _email_url(value: SecretStr) -> SecretStr:
    email_parts(value.get_secret_value())
    return value


def _sender(value: str) -> str:
    name, address = parseaddr(value)
    if "@" not in address or any(sign in value for sign in "\r\n"):
        raise ValueError("is not an e-mail address, such as QUALISYS <portal@example.com>")
    return formataddr((name, address))


def email_parts(url: str) -> dict[str, Any]:
    """Django's EMAIL_ settings, without the prefix, of an address for mails; raises ValueError where it is none.

    `smtp://user:password@host:587` (STARTTLS; `?starttls=no` for a relay on the same machine), `smtps://` (TLS
    from the start), `file:///folder` (a file for each mail) or `console://` (printed by the process that sends).
    """
    scheme, parts = _scheme(url), urlsplit(url) if _scheme(url) else None
    if parts is not None and scheme == "console":
        return {"BACKEND": f"{_BACKENDS}.console.EmailBackend"}
    if parts is not None and scheme == "file" and parts.path.strip("/"):
        return {"BACKEND": f"{_BACKENDS}.filebased.EmailBackend", "FILE_PATH": unquote(parts.path)}
    if parts is None or scheme not in ("smtp", "smtps") or not parts.hostname:
        raise ValueError(
            "is not a URL of the form smtp://user:password@host:587, smtps://, file:/// or console://"
        )
    starttls = scheme == "smtp" and _yes_no(dict(parse_qsl(parts.query)).get("starttls", "yes"))
    return {
        "BACKEND": f"{_BACKENDS}.smtp.EmailBackend",
        "HOST": parts.hostname,
        "PORT": parts.port or (465 if scheme == "smtps" else 587),
        "HOST_USER": unquote(parts.username or ""),
        "HOST_PASSWORD": unquote(parts.password or ""),
        "USE_SSL": scheme == "smtps",
        "USE_TLS": starttls,
        "TIMEOUT": 10,
    }


def database_parts(url: str) -> dict[str, Any]:
    """Django's NAME, USER, PASSWORD, HOST, PORT and OPTIONS (what follows `?`) of a PostgreSQL URL.

    Raises ValueError where it is none, or names no database.
    """
    if _scheme(url) not in ("postgresql", "postgres") or not (parts := urlsplit(url)).path.strip("/"):
        raise ValueError("is not a URL of the form postgresql://user:password@host:port/database")
    options = dict(parse_qsl(parts.query))
    return {
        "NAME": unquote(parts.path.strip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": options.pop("host", unquote(parts.hostname or "")),
        "PORT": str(parts.port or ""),
        "OPTIONS": options,
    }


PostgresURL = Annotated[SecretStr, AfterValidator(_postgres_url)]
HttpURL = Annotated[str, AfterValidator(_url("http", "https"))]
YesNo = Annotated[bool, BeforeValidator(_yes_no)]
NOT_GIVEN = SecretStr("")
_BACKENDS = "django.core.mail.backends"


class Environment(BaseModel):
    """The variables of the contract, each under its name in lower case. An empty secret is not given."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    qualisys_home: Annotated[Path, BeforeValidator(_folder)] = ROOT / ".qualisys"
    qualisys_host: str = "127.0.0.1"
    qualisys_port: Annotated[int, BeforeValidator(_whole_number(1, 65535))] = 8000
    web_processes: Annotated[int, BeforeValidator(_whole_number(1, 64))] = 2
    debug: YesNo = False
    secret_key: Annotated[SecretStr, AfterValidator(_secret_key)] = NOT_GIVEN
    allowed_hosts: Annotated[list[str], BeforeValidator(_hosts)] = LOCAL_HOSTS
    database_role: Annotated[Literal["app", "owner"], BeforeValidator(_role)] = "app"
    database_url: PostgresURL = NOT_GIVEN
    database_owner_url: PostgresURL = NOT_GIVEN
    database_readonly_url: PostgresURL = NOT_GIVEN
    redis_url: Annotated[SecretStr, AfterValidator(_redis_url)] = NOT_GIVEN
    openai_api_key: SecretStr = NOT_GIVEN
    openai_base_url: HttpURL | None = None
    anthropic_api_key: SecretStr = NOT_GIVEN
    anthropic_base_url: HttpURL | None = None
    vllm_base_url: HttpURL | None = None
    vllm_api_key: SecretStr = NOT_GIVEN
    archive_url: Annotated[str, AfterValidator(_url("file", "s3", "abfs", "abfss"))] | None = None
    email_url: Annotated[SecretStr, AfterValidator(_email_url)] = NOT_GIVEN
    email_from: Annotated[str, AfterValidator(_sender)] = "QUALISYS <portal@localhost>"
    oidc_private_hosts: Annotated[list[str], BeforeValidator(_hosts)] = []
    demo_model: YesNo = False
    demo_model_url: HttpURL | None = None
    tenant_prompt_replace_enabled: YesNo = False
    prometheus_multiproc_dir: Path | None = None

    @property
    def database(self) -> dict[str, Any]:
        """`database_parts` of the role this process connects as."""
        url = self.database_owner_url if self.database_role == "owner" else self.database_url
        return database_parts(url.get_secret_value())

    def as_variables(self) -> dict[str, str]:
        """What is given, as environment variables of another process. Holds secrets."""
        return {name.upper(): _as_text(value) for name, value in self if value not in (None, NOT_GIVEN)}


def _as_text(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, list):
        return ",".join(value)
    return str(int(value)) if isinstance(value, bool) else str(value)


VARIABLES = frozenset(name.upper() for name in Environment.model_fields)
READABLE = VARIABLES | {f"{name}_FILE" for name in SECRETS}


def read_environment(process: Mapping[str, str], root: Path = ROOT, *, running: bool = True) -> Environment:
    """The environment of a process, or EnvironmentRefusedError.

    With `running` it must be complete: what it lacks is taken from the running embedded servers. Without, it
    is what was said, and the caller starts the servers.
    """
    above = _resolve({name: process[name] for name in READABLE if name in process})
    below = _resolve(
        {k: v for k, v in _dotenv(root / ".env").items() if k.removesuffix("_FILE") not in above}
    )
    environment = _parse({name.lower(): value for name, value in {**below, **above}.items() if value})
    return _complete(environment) if running else environment


def load_environment() -> Environment:
    """`read_environment` of this process; what is refused ends it with one line and exit code 2."""
    try:
        return read_environment(os.environ)
    except EnvironmentRefusedError as refused:
        print(f"qualisys: {refused}", file=sys.stderr)  # noqa: T201 - nothing is configured yet
        raise SystemExit(2) from None


def _dotenv(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    values: dict[str, str] = {}
    with path.open(encoding="utf-8") as stream:
        for line in parse_stream(stream):
            if line.error or (line.key and line.value is None):
                raise EnvironmentRefusedError(
                    f".env: line {line.original.line} is not of the form NAME=value"
                )
            if line.key and line.key not in READABLE:
                raise EnvironmentRefusedError(f".env: {line.key} is not a variable of this product")
            if line.key:
                values[line.key] = line.value or ""
    return values


def _resolve(layer: Mapping[str, str]) -> dict[str, str]:
    """Replaces each NAME_FILE of one layer by NAME with the content of the file."""
    values = {name: value for name, value in layer.items() if name in VARIABLES}
    for name in (name for name in layer if name not in VARIABLES and layer[name]):
        target = name.removesuffix("_FILE")
        if values.get(target):
            raise EnvironmentRefusedError(f"{target} and {name} are both set: keep one")
        try:
            values[target] = Path(layer[name]).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text"
            raise EnvironmentRefusedError(f"{name}: {layer[name]} cannot be read: {reason}") from None
    return values


def _parse(values: Mapping[str, str]) -> Environment:
    try:
        return Environment.model_validate(values)
    except ValidationError as refused:
        first, *others = refused.errors(include_url=False, include_input=False)
        message = first["msg"].removeprefix("Value error, ")
        more = "".join(f"; {str(error['loc'][0]).upper()} is wrong too" for error in others)
        raise EnvironmentRefusedError(f"{str(first['loc'][0]).upper()}: {message}{more}") from None


def _complete(environment: Environment) -> Environment:
    found: dict[str, object] = {}
    if not (environment.database_url and environment.redis_url):
        found = {k: v for k, v in _from_servers(environment).items() if not getattr(environment, k)}
    complete = environment.model_copy(update=found)
    for name in ("database_url", "redis_url", "secret_key"):
        if not getattr(complete, name):
            raise EnvironmentRefusedError(
                f"{name.upper()} is not set and no server runs in {environment.qualisys_home}: "
                f"start `make run`, or set {name.upper()}"
            )
    if complete.database_role == "owner" and not complete.database_owner_url:
        raise EnvironmentRefusedError("DATABASE_ROLE is owner, but DATABASE_OWNER_URL is not set")
    return complete


def _from_servers(environment: Environment) -> dict[str, object]:
    """What the running embedded servers answer for. An external database brings its own roles and key."""
    running = state.read(environment.qualisys_home)
    names = ["redis_url", "demo_model_url"]
    if not environment.database_url:
        names += ["database_url", "database_owner_url", "database_readonly_url", "secret_key"]
    found: dict[str, object] = {
        name: running[name] if name == "demo_model_url" else SecretStr(running[name])
        for name in names
        if name in running
    }
    return found | ({"demo_model": True} if "demo_model_url" in found else {})
