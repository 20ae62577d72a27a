"""What of the shipped configuration is different in the demo: how long things must hurt before they count."""

from __future__ import annotations

import re

from demo.plan import ROOT

RULES = ROOT / "deploy" / "prometheus" / "synaptic.rules.yml"
SLO_RULES = ROOT / "deploy" / "prometheus" / "slo.rules.yml"
"""As shipped: the windows of a burn rate follow from the period, and the history has thirty days."""

# In production, minutes keep a passing spike from waking somebody. A game day must show within 60 s, and a
# demo that has just started has no half hour to look back on. Order matters: no replacement feeds another.
SHORTER = (
    (r"\[5m\]", "[1m]"),
    (r"rate5m\b", "rate1m"),
    (r"\[30m\], 4 \* 3600\)", "[2m], 900)"),
    (r"> 30 \* 60\)", "> 180)"),
    (r"for: (1m|2m|5m)\b", "for: 10s"),
    (r"for: 10m\b", "for: 15s"),
    (r"for: 15m\b", "for: 2m"),
)


def rules() -> str:
    """The shipped recording and alert rules with the demo's windows: the text of a rule file for Prometheus."""
    text = RULES.read_text(encoding="utf-8")
    for pattern, replacement in SHORTER:
        text = re.sub(pattern, replacement, text)
    return text
