"""Sources: does everything that the console asks answer, and as it should?"""

from __future__ import annotations

from views.sources import commands
from views.subject import Page, Subject

SUBJECT = Subject(name="sources", page=Page("sources", "Sources", ":material/lan:", 60), commands=(commands.DOCTOR,))
