"""The advice of each kind of diagnosis: the file is valid, complete, and a mistake in it is told by name."""

import ast
from pathlib import Path

import pytest

from collectors import advice

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [path for room in ("analysis", "views") for path in (ROOT / room).rglob("*.py")]


def literals(kind: str | None) -> set[str]:
    """All texts in the code; those that a diagnosis gets as its key, where ``kind`` names it."""
    found: set[str] = set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if kind is None and isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
            elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == kind and node.args:
                first = node.args[0]
                if isinstance(first, ast.Constant):
                    found.add(first.value)
    return found


def test_every_kind_of_diagnosis_has_its_advice():
    keys = literals("Diagnosis")
    assert len(keys) > 30
    assert keys - set(advice.catalogue()) == set()


def test_no_advice_is_about_a_diagnosis_that_nobody_makes():
    assert set(advice.catalogue()) - literals(None) == set()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("not toml", "wrong.toml: "),
        ('[dead]\ntitle = "T"\nwhy = "W"\n', "wrong.toml: dead.source: "),
        ('[dead]\ntitle = "T"\nwhy = "W"\nsource = "S"\nrunbok = "x"\n', "wrong.toml: dead.runbok: "),
        ('[dead]\ntitle = "T"\nwhy = "W"\nsource = "S"\nrunbook = "Rm -rf"\n', "wrong.toml: dead.runbook: "),
        ("dead = 1\n", "wrong.toml: dead: "),
    ],
)
def test_a_mistake_is_told_with_file_entry_and_key(tmp_path, text, told):
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(advice.AdviceError, match=told):
        advice.read(path)
