"""The doors of the house, as far as import-linter cannot see them: files beside the rooms, and the list of rooms."""

import ast
import configparser
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = {file.parent.name for file in ROOT.glob("*/*.py")} - {"tests", "scripts", "benchmarks"}
OURS = ROOMS | {file.stem for file in ROOT.glob("*.py")}

# What a file beside the rooms may import of ours; the rest of the house is closed to it.
DOORS = {
    "app": {"access", "collectors", "house", "records", "settings", "telemetry", "ui", "views", "web", "worker"},
    "access": {"settings"},
    "cli": {"settings", "telemetry", "views"},
    "house": {"ui", "views"},
    "settings": set(),
    "worker": {"analysis", "collectors", "records", "settings", "telemetry", "views"},
}
# Drivers and the browser stay in their rooms: {package: who may import it beside its room}.
KEPT = {
    "streamlit": {"app"},
    "httpx": set(),
    "elasticsearch": set(),
    "prometheus_api_client": set(),
    "redis": set(),
    "sqlalchemy": set(),
}


def imported(path: Path) -> set[str]:
    """The top-level names that a file imports anywhere in it, by statement or by `import_module("...")`."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "import_module":
            found |= {arg.value.split(".")[0] for arg in node.args if isinstance(arg, ast.Constant)}
    return found - set(sys.stdlib_module_names)


def test_every_file_beside_the_rooms_has_its_doors_written_down():
    assert {file.stem for file in ROOT.glob("*.py")} == set(DOORS)


@pytest.mark.parametrize("name", DOORS)
def test_a_file_beside_the_rooms_goes_through_its_doors_only(name):
    found = imported(ROOT / f"{name}.py")
    assert found & OURS <= DOORS[name]
    assert not {package for package in found if name not in KEPT.get(package, {name})}


def test_every_room_is_known_to_import_linter():
    rules = configparser.ConfigParser()
    rules.read(ROOT / ".importlinter")
    assert set(rules["importlinter"]["root_packages"].split()) == ROOMS


def test_nothing_in_the_console_names_the_demo():
    console = [file for room in ROOMS - {"demo"} for file in (ROOT / room).rglob("*.py")]
    assert not [file for file in [*console, *ROOT.glob("*.py")] if "demo" in imported(file)]
