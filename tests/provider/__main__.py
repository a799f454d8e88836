"""Run the test provider: prints `{"port": N}` once it listens; ends on SIGTERM and SIGINT."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys

from uvloop import run

from tests.provider.server import serve


async def main(host: str, port: int, *, with_starter: bool) -> None:
    """Serve until told to stop. `with_starter`: end with standard input, so no test run leaves it behind."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if with_starter:
        loop.add_reader(sys.stdin.fileno(), stop.set)
    server = await serve(host, port)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    await stop.wait()
    server.close()


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--host", default="127.0.0.1")
    arguments.add_argument("--port", type=int, default=9100)
    arguments.add_argument("--with-starter", action="store_true")
    given = arguments.parse_args()
    run(main(given.host, given.port, with_starter=given.with_starter))
