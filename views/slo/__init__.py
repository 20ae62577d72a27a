"""Objectives: what is promised, what is left of it, and how fast it is used up."""

from __future__ import annotations

from views.slo import commands
from views.subject import Subject

SUBJECT = Subject(name="slo", commands=(commands.RULES,))
