"""Makes the secrets of ``deploy/compose.yaml`` at random, once, into a volume that no image holds.

Files are readable for their owner and group only; the services that need one are in the group.
"""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path

NAMES = (
    "admin-token",
    "jwt-secret",
    "superuser-password",
    "database-password",
    "exporter-password",
    "console-password",
    "console-plans-password",
)


def write(path: Path, text: str, mode: int) -> None:
    """Write a file that is complete or not there; one that is there stays as it is."""
    if path.exists():
        return
    draft = path.with_name(f".{path.name}.new")
    draft.touch(mode=0o600)
    draft.write_text(text, encoding="utf-8")
    draft.chmod(mode)
    draft.rename(path)


def main(folder: Path) -> None:
    """Make what is missing in ``folder``."""
    os.umask(0o027)
    for name in NAMES:
        write(folder / name, secrets.token_urlsafe(32), 0o440)
    password = (folder / "database-password").read_text(encoding="utf-8")
    # libpq only reads a file that nobody but its owner can read.
    write(folder / "pgpass", f"*:*:synaptic:synaptic:{password}\n", 0o600)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
