"""The console from a terminal, without a browser: ``python -m cli --help`` lists what it can do."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import settings as settings_file
from telemetry import logs
from views import registry
from views.subject import MISTAKE


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m cli", description=(__doc__ or "").partition(":")[0] + ".")
    parser.add_argument(
        "--config", type=Path, help=f"settings file (default: ${settings_file.CONFIG_VARIABLE} or console.toml)"
    )
    known = registry.commands()
    offered = parser.add_subparsers(dest="command", required=True)
    for command in known.values():
        command.arguments(offered.add_parser(command.name, help=command.help))
    chosen = parser.parse_args(arguments)
    command = known[chosen.command]
    if not command.needs_settings:
        return command.run(None, chosen)
    try:
        settings = settings_file.load(chosen.config)
    except settings_file.SettingsError as error:
        print("\n".join(error.mistakes), file=sys.stderr)
        return MISTAKE
    for secret in settings.secrets():
        logs.register_secret(secret)
    return command.run(settings, chosen)


if __name__ == "__main__":
    sys.exit(main())
