"""Identity and roles: the only place that says who is looking and what they may do.

A viewer has roles, a role has rights, and what the table does not grant is denied. Who somebody
is comes from the server (the way they signed in), never from anything a page or a form sends.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from settings import Settings


class Role(StrEnum):
    """What somebody is on this console; one may be several."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


class Right(StrEnum):
    """What somebody may do.

    ``IDENTIFIERS`` is to see who: user ids, sessions, addresses; ``SAVE`` is to keep windows and searches for all.
    """

    LOOK = "look"
    SAVE = "save"
    IDENTIFIERS = "identifiers"
    RUN_READ = "run-read"
    RUN_CHANGE = "run-change"
    RUN_DESTRUCTIVE = "run-destructive"
    APPROVE = "approve"
    ADMINISTER = "administer"


_GRANTED: dict[Role, frozenset[Right]] = {
    Role.VIEWER: frozenset({Right.LOOK}),
    Role.OPERATOR: frozenset(
        {Right.LOOK, Right.SAVE, Right.IDENTIFIERS, Right.RUN_READ, Right.RUN_CHANGE, Right.APPROVE}
    ),
    Role.ADMIN: frozenset(Right),
}


@dataclass(frozen=True, slots=True)
class Viewer:
    """Somebody who looks at the console.

    Attributes:
        name: How they are called in the audit log.
        roles: What they are.
        how: How their identity was proven.
    """

    name: str
    roles: frozenset[Role]
    how: str


def identify(settings: Settings) -> Viewer:
    """Who the current session belongs to.

    In mode ``none`` nobody proves who they are. The server then answers on loopback only, so it is
    somebody with an account on this machine, and that is enough for looking and for nothing else:
    a deed needs a name that can stand in an audit log. Where that account belongs to one person, or
    to people who may all see the same, ``server.local_roles`` says what they are.

    Raises:
        PermissionError: The settings name a mode that has no way to identify anybody.
    """
    match settings.server.mode:
        case "none":
            return Viewer(name="local", roles=frozenset(map(Role, settings.server.local_roles)), how="loopback")
    raise PermissionError(f"server.mode {settings.server.mode!r} cannot identify anybody")


def rights(viewer: Viewer) -> frozenset[Right]:
    """All that the viewer may do: the sum over their roles."""
    return frozenset().union(*(_GRANTED.get(role, frozenset()) for role in viewer.roles))


def may(viewer: Viewer, right: Right) -> bool:
    """Whether the viewer may do this; what no role of theirs grants is denied."""
    return right in rights(viewer)


def may_delete(viewer: Viewer, author: str) -> bool:
    """Whether the viewer may delete what ``author`` saved: their own, or anybody's for who may change things."""
    own = may(viewer, Right.SAVE) and viewer.name == author
    return own or may(viewer, Right.RUN_CHANGE)


def visibility(viewer: Viewer) -> str:
    """What the viewer may see, as a part of every cache key: answers are shared only between equals."""
    return "+".join(sorted(rights(viewer)))
