"""Database: who waits for whom, what got slower, what will break next, and what would mend it?"""

from collections.abc import Callable

from ui import context, database
from ui.parts import heading, nothing_configured

PARTS: dict[str, tuple[str, Callable[[context.Context], None]]] = {}
"""Name in the address → title and what draws it."""

heading("Database", "Who waits for whom, what got slower, what will break next, and what would mend it?")
visit = context.current()
if visit.configured is None:
    nothing_configured()
else:
    PARTS[database.chosen_part({name: title for name, (title, _) in PARTS.items()})][1](visit)
