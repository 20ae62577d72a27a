"""Where evidence lies: a page, and what its address says beside environment and window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Place:
    """A page and its part or filter.

    Attributes:
        page: The page's name.
        label: What a link to it says.
        params: Parameters of the page's own.
    """

    page: str
    label: str
    params: Mapping[str, str] = field(default_factory=dict)
