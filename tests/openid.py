"""An OpenID Connect provider of the tests' own over real HTTP: it checks PKCE and the client, and lies on demand."""

from __future__ import annotations

import base64
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

CLIENT, SECRET = "portal", "canary-client-secret"


class Provider:
    """What the provider knows, and how it bends what it says. `person` are the claims of whoever signs in."""

    def __init__(self) -> None:
        self.issuer = ""
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.codes: dict[str, dict[str, str]] = {}
        self.person: dict[str, Any] = {}
        #: Claims of the token that are not what they should be.
        self.bent: dict[str, Any] = {}
        self.algorithm = "RS256"
        self.signs_with: Any = self.key
        self.redirects_to = ""
        self.large = False
        self.asked: list[str] = []

    def description(self) -> dict[str, Any]:
        """The discovery document."""
        return {
            "issuer": self.bent.get("described", self.issuer),
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "padding": "x" * (1024 * 1024 if self.large else 0),
        }

    def keys(self) -> dict[str, Any]:
        """The public keys."""
        key = json.loads(RSAAlgorithm.to_jwk(self.key.public_key()))
        return {"keys": [{**key, "kid": "one", "use": "sig"}]}

    def token(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        """Exchange a code, if client and verifier are right."""
        kept = self.codes.pop(form.get("code", ""), None)
        expected = "Basic " + base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        challenge = base64.urlsafe_b64encode(sha256(form.get("code_verifier", "").encode()).digest()).rstrip(
            b"="
        )
        if kept is None or authorization != expected or kept["code_challenge"] != challenge.decode():
            return 400, {"error": "invalid_grant"}
        if kept["redirect_uri"] != form.get("redirect_uri"):
            return 400, {"error": "invalid_grant"}
        now = int(time.time())
        claims = {
            "iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": kept["nonce"],
            **self.person, **self.bent,
        }  # fmt: skip
        key: Any = None if self.algorithm == "none" else self.signs_with
        signed = jwt.encode(claims, key, algorithm=self.algorithm, headers={"kid": "one"})
        return 200, {"access_token": secrets.token_hex(8), "token_type": "Bearer", "id_token": signed}

    def authorize(self, query: dict[str, str]) -> str:
        """Consent at once; return where the browser goes."""
        code = secrets.token_hex(8)
        self.codes[code] = query
        return f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}"


@contextmanager
def running() -> Iterator[Provider]:
    """Run a provider for the block."""
    provider = Provider()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args: Any) -> None:
            pass

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            provider.asked.append(parts.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            if parts.path == "/authorize":
                self._redirect(provider.authorize(query))
            elif provider.redirects_to:
                self._redirect(provider.redirects_to + parts.path)
            elif parts.path.endswith("openid-configuration"):
                self._json(200, provider.description())
            else:
                self._json(200, provider.keys())

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            self._json(*provider.token(form, self.headers.get("Authorization", "")))

        def _json(self, status: int, value: dict[str, Any]) -> None:
            content = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def _redirect(self, address: str) -> None:
            self.send_response(302)
            self.send_header("Location", address)
            self.send_header("Content-Length", "0")
            self.end_headers()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider.issuer = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join(2)
