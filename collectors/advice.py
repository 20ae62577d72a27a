"""The kinds of diagnosis: why each matters, which runbook mends it, and where that is written.

``catalog/advice.toml`` is data that an SRE may change; this module only checks it. A mistake names file, entry and key.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from collectors.toml_tables import read_tables

CATALOG = Path(__file__).parent / "catalog" / "advice.toml"


class AdviceError(Exception):
    """The file of advice has mistakes; one sentence a line."""


class Advice(BaseModel):
    """What is known about one kind of diagnosis.

    Attributes:
        title: Its name in a few words.
        why: Why it matters, in a sentence or two.
        runbook: Key of the runbook that mends it; empty where only a person can.
        source: Where that is written: a chapter of a manual, or the guide.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str = Field(min_length=1, max_length=80)
    why: str = Field(min_length=1, max_length=600)
    runbook: str = Field(default="", pattern=r"^([a-z][a-z0-9-]*)?$", max_length=60)
    source: str = Field(min_length=1, max_length=200)


@cache
def catalogue() -> Mapping[str, Advice]:
    """The advice that is shipped, by the key of a diagnosis.

    Raises:
        AdviceError: The file has mistakes.
    """
    return read(CATALOG)


def read(path: Path) -> Mapping[str, Advice]:
    """Read a file of advice.

    Raises:
        AdviceError: It cannot be read, or an entry has a mistake.
    """
    return read_tables(path, Advice, AdviceError)
