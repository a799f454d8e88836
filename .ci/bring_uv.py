"""Installs uv into a virtual environment of its own: `python3 bring_uv.py FOLDER`.

Debian's Python comes without ensurepip; there, pip's own wheel is fetched from the package index first.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request
import venv
from pathlib import Path

INDEX = os.environ.get("PIP_INDEX_URL", "https://pypi.org/simple").rstrip("/")
WHEEL = re.compile(
    r'<a [^>]*href="(?P<url>[^"#]+/(?P<name>pip-[\d.]+-py3-none-any\.whl))#sha256=(?P<sha256>\w+)"'
)


def fetch_pip(folder: Path) -> Path:
    """The newest released wheel of pip, whose digest is what the index says."""
    with urllib.request.urlopen(f"{INDEX}/pip/", timeout=60) as page:
        *_, newest = WHEEL.finditer(page.read().decode())
        address = urllib.parse.urljoin(page.url, newest["url"])
    with urllib.request.urlopen(address, timeout=60) as download:
        content = download.read()
    if hashlib.sha256(content).hexdigest() != newest["sha256"]:
        raise SystemExit(f"{address} is not what the package index says it is")
    wheel = folder / newest["name"]
    wheel.write_bytes(content)
    return wheel


def main() -> None:
    target = Path(sys.argv[1])
    python = str(target / "bin" / "python")
    with tempfile.TemporaryDirectory() as folder:
        try:
            venv.create(target, clear=True, with_pip=True)
            pip = ["-m", "pip"]
        except subprocess.CalledProcessError:
            venv.create(target, clear=True)
            pip = [str(fetch_pip(Path(folder)) / "pip")]  # a wheel of pip runs without being installed
        subprocess.run([python, *pip, "install", "--quiet", "--disable-pip-version-check", "uv"], check=True)


if __name__ == "__main__":
    main()
