"""Where the programs of the demo are, and how to ask whether they answer."""

from __future__ import annotations

import http.client
import os
import shutil
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from demo.plan import HOST
from demo.supervisor_part import StartError

# Debian keeps servers in sbin, which is not in an ordinary user's path.
SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"])
# An account without rights or a home: PostgreSQL refuses to run as root.
UNPRIVILEGED_USER = "nobody"


def debian(program: str) -> str:
    """Path of a program from a Debian package.

    Raises:
        StartError: It is not installed.
    """
    path = shutil.which(program, path=SEARCH_PATH)
    if path is None:
        raise StartError(f"The program {program} is not installed: run `make demo`, which installs what is missing.")
    return path


def wheel(package: str, *below: str) -> Path | None:
    """Path inside an installed Python package, without importing it; ``None`` when it is not there."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent.joinpath(*below)
    return path if path.exists() else None


def module(name: str, *arguments: str) -> tuple[str, ...]:
    """Command line of one of our own modules, run by this interpreter."""
    return (sys.executable, "-m", name, *arguments)


def answers(port: int, path: str) -> Callable[[], bool]:
    """A check: does this loopback port answer a GET with a status below 400."""

    def ask() -> bool:
        connection = http.client.HTTPConnection(HOST, port, timeout=2.0)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            # To the end: a server whose answer nobody reads writes an error line.
            response.read()
            return response.status < 400
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    return ask
