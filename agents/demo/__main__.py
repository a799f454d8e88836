"""`python -m agents.demo --port P`: serve the demo model until SIGINT or SIGTERM."""

from __future__ import annotations

import argparse
import logging

from aiohttp import web

from agents.demo.server import make_app


def main() -> None:
    """Read the options and serve."""
    parser = argparse.ArgumentParser(prog="python -m agents.demo", description="Serve the demo model.")
    parser.add_argument("--port", type=int, required=True, help="port to listen on")
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: this machine only)"
    )
    parser.add_argument(
        "--pace",
        choices=("natural", "instant"),
        default="natural",
        help="stream at the speed of a model, or at once",
    )
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    web.run_app(
        make_app(natural=options.pace == "natural"),
        host=options.host,
        port=options.port,
        print=None,
        access_log=None,
        shutdown_timeout=1.0,
    )


if __name__ == "__main__":
    main()
