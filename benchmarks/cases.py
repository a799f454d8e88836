"""What is measured: who answers, which model, how many at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import orjson

from benchmarks.load import Target
from benchmarks.stage import INPUT, PROMPT, TENANT, Stage

#: An answer of about 400 characters, whole or in 20 pieces.
PLAIN = "any:chunks=20,size=20"
#: The same from a model that thinks for 200 ms.
SLOW = f"{PLAIN},delay=200"
#: One piece: what a stream costs before its pieces.
ONE = "any:chunks=1"
#: Ways a text may arrive: label, model, streams at once.
PACES = (
    ("400 x 5 characters, back to back", "any:chunks=400,size=5", 10),
    ("400 x 100 characters, back to back", "any:chunks=400,size=100", 10),
    ("100 x 5 characters, 1 ms apart", "any:chunks=100,size=5,pace=1", 10),
    ("50 x 5 characters, 20 ms apart", "any:chunks=50,size=5,pace=20", 50),
)


@dataclass(frozen=True, slots=True)
class Case:
    """One thing to measure. `who` is

    direct: the model itself; bare: a bare application after one Redis call; call: that and the model call, whose
    stream is read to its end; relay: that and each piece passed on; run: the governed run.
    """

    who: str
    model: str
    concurrency: int
    stream: bool = False

    @property
    def governed(self) -> bool:
        """Whether it leaves work to the relay."""
        return self.who == "run"

    @property
    def group(self) -> str:
        """The table it belongs to, by which cases are chosen."""
        if not self.stream:
            return "answers"
        return "first" if self.model == PLAIN else "chunks"


def cases() -> Iterator[Case]:
    """Yield every case, those that are compared next to each other."""
    for concurrency in (1, 50):
        for who in ("direct", "bare", "call", "run"):
            yield Case(who, PLAIN, concurrency)
    for who in ("direct", "run"):
        yield Case(who, SLOW, 50)
    for concurrency in (1, 20):
        for who in ("direct", "run"):
            yield Case(who, PLAIN, concurrency, stream=True)
    for model, concurrency in ((ONE, 10), (ONE, 50), *(pace[1:] for pace in PACES)):
        for who in ("call", "relay", "run"):
            yield Case(who, model, concurrency, stream=True)


def target(case: Case, stage: Stage) -> Target:
    """Return the request of a case and how a right answer to it looks."""
    if case.who == "run":
        key = {"X-API-Key": stage.demo["tenants"][TENANT]["api_key"]}
        path = f"/api/v1/agents/{stage.agent(case.model)}/{'stream' if case.stream else 'runs'}"
        request = _request(stage.web_port, path, {"input": INPUT}, key, f"{TENANT}.localhost")
        return Target(
            stage.web_port, request, b'"status":"completed"', b"event: delta" if case.stream else b""
        )
    messages = [{"role": "system", "content": PROMPT}, {"role": "user", "content": INPUT}]
    asked = {"model": case.model, "messages": messages, "max_tokens": 4096}
    if case.who == "direct":
        asked |= {"stream": True, "stream_options": {"include_usage": True}} if case.stream else {}
        request = _request(stage.provider_port, "/v1/chat/completions", asked)
        right = b"data: [DONE]" if case.stream else b'"finish_reason":"stop"'
        return Target(stage.provider_port, request, right, b'"content":"w' if case.stream else b"")
    path = "/drain" if case.who == "call" and case.stream else f"/{case.who}"
    text = b"event: delta" if case.who == "relay" else b""
    return Target(stage.bare_port, _request(stage.bare_port, path, asked), b'"status":"completed"', text)


def detail(stage: Stage) -> Target:
    """Return the request for an agent's page by API: its effective configuration, resolved and shown."""
    key = {"X-API-Key": stage.demo["tenants"][TENANT]["api_key"]}
    path = f"/api/v1/agents/{stage.agent(PLAIN)}"
    lines = [f"GET {path} HTTP/1.1", f"host: {TENANT}.localhost:{stage.web_port}", "accept: */*"]
    raw = "\r\n".join([*lines, *(f"{name}: {value}" for name, value in key.items()), "", ""]).encode()
    return Target(stage.web_port, raw, b'"agent_id"')


def _request(
    port: int, path: str, body: object, headers: dict[str, str] | None = None, host: str = "localhost"
) -> bytes:
    raw = orjson.dumps(body)
    told = {
        "host": f"{host}:{port}",
        "accept": "*/*",
        "content-type": "application/json",
        "content-length": str(len(raw)),
        **(headers or {}),
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    return f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode() + raw
