"""What one home folder remembers between starts: generated passwords and the ports of its servers."""

from __future__ import annotations

import secrets
import socket
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from qualisys.embedded import private
from qualisys.embedded.process import EmbeddedError

FILE = "installation.json"
#: Entries others may pass but not list: servers that run as another user must reach their folders inside.
HOME_MODE = 0o711


@dataclass
class Installation:
    admin_password: str
    owner_password: str
    app_password: str
    readonly_password: str
    redis_password: str
    secret_key: str
    postgres_port: int = 0
    redis_port: int = 0

    @classmethod
    def generate(cls) -> Installation:
        admin, owner, app, readonly, redis = (secrets.token_urlsafe(24) for _ in range(5))
        return cls(admin, owner, app, readonly, redis, secret_key=secrets.token_urlsafe(50))


def open_home(home: Path) -> None:
    """Creates the home folder, if need be; never touches what is around it."""
    try:
        if not home.exists():
            home.mkdir(parents=True)
            home.chmod(HOME_MODE)
    except OSError as error:
        raise EmbeddedError(f"{home} cannot be created: {error.strerror}") from None


def load(home: Path) -> Installation:
    """The installation of a home folder, generated at its first start."""
    try:
        values = private.read_json(home / FILE)
    except (OSError, ValueError) as error:
        raise EmbeddedError(f"{home / FILE} cannot be read: {error}") from None
    if not values:
        if (home / "postgres" / "data").exists():
            raise EmbeddedError(f"{home} holds data, but {FILE} with its passwords is gone: put it back")
        installation = Installation.generate()
        save(home, installation)
        return installation
    try:
        return Installation(**{f.name: values[f.name] for f in fields(Installation)})  # type: ignore[arg-type]
    except KeyError as missing:
        raise EmbeddedError(f"{home / FILE} lacks {missing}") from None


def save(home: Path, installation: Installation) -> None:
    private.write_json(home / FILE, asdict(installation))


def free_port(wanted: int = 0) -> int:
    """The wanted port of the loopback interface if nothing listens there, otherwise another."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            return free_port() if wanted else 0
        return int(probe.getsockname()[1])
