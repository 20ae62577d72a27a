"""What is wrong with the database at this moment, in words that name the session and what would mend it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from analysis.diagnosis import Diagnosis, worst_first
from analysis.verdict import Status, Words, in_a_line
from collectors.cache import Answer
from collectors.errors import SourceError
from collectors.postgres.sessions import CLIENT, IDLE_IN_TRANSACTION, Session
from collectors.registry import Sources
from views.database.rules.blocking import PREPARED
from views.database.sessions.locks import LockLoad
from views.database.sessions.view import Connections, Now, Seat, load_connections, load_now
from views.shared.parallel import or_error, side_by_side

T = TypeVar("T")

MANY_WAIT = 5
"""From how many sessions behind one it hurts now: a replica's pool of twenty is a quarter gone."""

LONG_WAIT = 10.0
"""Seconds of a wait from which it hurts now: by then a request has run into its deadline."""

SHORT_WAIT = 1.0
"""Seconds below which a single wait is what locks are for; the server looks for deadlocks after the same time."""

LONG_IDLE = 300.0
"""Seconds in which a session within a transaction does nothing before it is worth a word."""

CROWD = 10
"""How many sessions of one client that are idle in transaction at once are told as one: no pool does that by chance."""

CROWD_IDLE = 30.0
"""Seconds in which each of a crowd does nothing."""

LONG_TRANSACTION = 900.0
"""Seconds of a transaction that works before it is worth a word: all that died since cannot be cleaned up."""

NEAR_FULL = 0.8
FULL = 0.95
"""Shares of the usable connections from which new ones are at risk, and will fail with the next deploy."""

SOMETIMES = 0.05
"""Share of the looks of the last minutes with somebody waiting from which on "nobody waits" is not all that is said."""

LOCKS = frozenset({"blocking", "prepared-blocks"})
"""Kinds of diagnoses that are about waiting for locks."""

BUSY = 2.0
"""How many statements for each processor run before they mostly wait for each other."""


@dataclass(frozen=True)
class Told:
    """The sessions with what there is to say about them and about the connections.

    Attributes:
        now: The sessions.
        diagnoses: What is wrong, the worst first.
        calm: What is said where nothing is wrong.
        locks: How much was waited for locks over the last minutes; ``None`` where that is not known.
    """

    now: Now
    diagnoses: tuple[Diagnosis, ...]
    calm: str
    locks: LockLoad | None = None

    @property
    def statuses(self) -> dict[str, Status]:
        """Key of a diagnosis → the worst status of that kind."""
        return {one.key: one.status for one in reversed(self.diagnoses)}


@dataclass(frozen=True)
class ToldConnections:
    """The connections with what there is to say about them; attributes as of :class:`Told`."""

    connections: Connections
    diagnoses: tuple[Diagnosis, ...]

    @property
    def statuses(self) -> dict[str, Status]:
        """Key of a diagnosis → the worst status of that kind."""
        return {one.key: one.status for one in reversed(self.diagnoses)}


@dataclass(frozen=True)
class Look:
    """Sessions and connections of one look at the server, so that all that is made of them counts the same.

    Attributes:
        sessions: The sessions with what there is to say, or why there are none.
        connections: The connections likewise: they may be counted where the sessions may not be seen.
    """

    sessions: Answer[Told] | SourceError
    connections: Answer[ToldConnections] | SourceError

    @property
    def told(self) -> Answer[Told]:
        """The sessions.

        Raises:
            SourceError: There are none.
        """
        if isinstance(self.sessions, SourceError):
            raise self.sessions
        return self.sessions

    @property
    def told_connections(self) -> Answer[ToldConnections]:
        """The connections.

        Raises:
            SourceError: There are none.
        """
        if isinstance(self.connections, SourceError):
            raise self.connections
        return self.connections


def load_look(sources: Sources, value: Words, locks: LockLoad | None = None) -> Answer[Look]:
    """Sessions and connections with what there is to say about them, of one look; arguments as of :func:`load_told`.

    Raises:
        SourceError: Neither could be asked, and no good answer is kept.
    """
    now, connections = side_by_side(partial(or_error, partial(load_now, sources)), partial(_connections, sources))
    if isinstance(now, SourceError) and isinstance(connections, SourceError):
        raise now
    counted = connections if isinstance(connections, SourceError) else _told_connections(connections, value)
    of_both = None if isinstance(connections, SourceError) else connections.value
    told = now if isinstance(now, SourceError) else _told(now, of_both, value, locks)
    found = Look(told, counted)
    kept: Answer[Any] = found.told_connections if isinstance(told, SourceError) else told
    return kept.with_value(found)


def load_told(sources: Sources, value: Words, locks: LockLoad | None = None) -> Answer[Told]:
    """What there is to say about the database at this moment.

    Args:
        sources: The environment's sources.
        value: Writes a number with its unit.
        locks: How much was waited for locks over the last minutes: where locks come and go, one moment says little.

    Raises:
        SourceError: The sessions could not be asked, or may not be seen, and no good answer is kept.
    """
    now, connections = side_by_side(partial(load_now, sources), partial(_connections, sources))
    return _told(now, None if isinstance(connections, SourceError) else connections.value, value, locks)


def _told(now: Answer[Now], connections: Connections | None, value: Words, locks: LockLoad | None) -> Answer[Told]:
    full = connections is not None and _share(connections) >= NEAR_FULL
    told = judged(now.value, value, full=full)
    if locks is not None and locks.heavy and not any(one.key in LOCKS for one in told):
        told.append(habit(locks, value))
    standing = ""
    if connections is not None:
        told += judged_connections(connections, value)
        standing = f", {connections.standing.clients} of {connections.standing.usable} connections are taken"
    active = len(now.value.active)
    running = f"{active or 'no'} statement{' runs' if active == 1 else 's run'}"
    calm = f"Nobody waits for a lock: {running}{standing}"
    if locks is not None and locks.looks >= SOMETIMES and locks.lasts:
        calm = (
            f"Nobody waits for a lock at this moment, and somebody did in {value(locks.looks, 'ratio')} of the looks "
            f"of the last {value(locks.seconds, 's')}: {running}{standing}"
        )
    if now.value.waiting:
        calm = f"Locks are waited for, none of them for long: {running}{standing}"
    return Answer(Told(now.value, tuple(worst_first(told)), calm, locks), now.as_of, now.error)


def load_told_connections(sources: Sources, value: Words) -> Answer[ToldConnections]:
    """The connections with what there is to say about them.

    Raises:
        SourceError: The server does not answer, and no good answer is kept.
    """
    return _told_connections(load_connections(sources), value)


def _told_connections(kept: Answer[Connections], value: Words) -> Answer[ToldConnections]:
    return kept.with_value(ToldConnections(kept.value, tuple(judged_connections(kept.value, value))))


def _connections(sources: Sources) -> Answer[Connections] | SourceError:
    return or_error(partial(load_connections, sources))


def judged(now: Now, value: Words, *, full: bool = False) -> list[Diagnosis]:
    """What there is to say about the sessions, what hurts first.

    Args:
        now: The sessions.
        value: Writes a number with its unit.
        full: Whether connections run out, so that it hurts now who holds many for nothing.
    """
    found = [one for seat in now.seats if seat.node.depth == 0 and (one := _root(now, seat, value)) is not None]
    roots = {seat.node.pid for seat in now.seats if seat.node.depth == 0}
    crowds = _crowds(now)
    found += [_crowd(name, sessions, value, full=full) for name, sessions in crowds.items()]
    told = roots | {session.pid for sessions in crowds.values() for session in sessions}
    for session in now.idle_in_transaction:
        idle = session.since(session.state_change) or 0.0
        if idle >= LONG_IDLE and session.pid not in told:
            text = f"{named(session, value)} keeps its locks and what is dead since its transaction began"
            found.append(Diagnosis("idle-in-transaction", "risk", f"pid {session.pid}", text, ended(session)))
    oldest = now.oldest
    if oldest is not None and oldest.state not in IDLE_IN_TRANSACTION and oldest.pid not in roots:
        age = oldest.since(oldest.xact_start) or 0.0
        if age >= LONG_TRANSACTION:
            text = f"{called(oldest)} is in a transaction for {value(age, 's')}"
            found.append(Diagnosis("long-transaction", "risk", f"pid {oldest.pid}", text, ended(oldest)))
    working = [one for one in now.active if not one.waiting.startswith(("Lock/", "Client/"))]
    if now.cpus is not None and len(working) > BUSY * now.cpus:
        text = f"{len(working)} statements run at once on {now.cpus} processor{'s' if now.cpus > 1 else ''}"
        found.append(Diagnosis("busy", "risk", "processors", text))
    return found


def habit(locks: LockLoad, value: Words) -> Diagnosis:
    """What there is to say about locks that come and go."""
    status: Status = "broken" if locks.waiting >= MANY_WAIT else "risk"
    front = f", in front {in_a_line(locks.root)}" if locks.root else ""
    event = f" for {locks.event}" if locks.event else ""
    text = (
        f"sessions wait{event} again and again, {locks.waiting:.2g} at a time over the last "
        f"{value(locks.seconds, 's')}, {value(locks.share, 'ratio')} of the load{front}"
    )
    return Diagnosis("blocking", status, locks.event or "locks", text)


def _crowds(now: Now) -> dict[str, list[Session]]:
    """Client → its sessions that are idle in transaction, where they are many; the longest first."""
    by_client: dict[str, list[Session]] = {}
    for session in now.idle_in_transaction:
        if (session.since(session.state_change) or 0.0) >= CROWD_IDLE:
            by_client.setdefault(session.name, []).append(session)
    return {name: sessions for name, sessions in by_client.items() if len(sessions) >= CROWD}


def _crowd(name: str, sessions: Sequence[Session], value: Words, *, full: bool) -> Diagnosis:
    longest = value(sessions[0].since(sessions[0].state_change) or 0.0, "s")
    text = (
        f"{len(sessions)} sessions of {name} are idle in transaction, the longest for {longest}: "
        "they keep connections, locks and what is dead since"
    )
    pids = ", ".join(str(session.pid) for session in sessions)
    # Numbers of processes, and text to be copied: nothing of it is sent.
    mend_it = f"SELECT pid, pg_terminate_backend(pid) FROM unnest(ARRAY[{pids}]) AS pid;  -- ends them all"  # noqa: S608
    return Diagnosis("idle-in-transaction", "broken" if full else "risk", name, text, mend_it)


def _root(now: Now, seat: Seat, value: Words) -> Diagnosis | None:
    node = seat.node
    if node.cycle:
        members = [one for one in now.seats if one.node.cycle]
        names = " and ".join(f"pid {one.node.pid}" for one in members[:3])
        text = f"{names}{' and others' if len(members) > 3 else ''} wait for each other: a deadlock"
        help_ = "The server ends one of them by itself after deadlock_timeout; its log then tells both statements."
        return Diagnosis("deadlock-now", "risk", f"pid {node.pid}", text, help_)
    waited = max((one.node.waited or 0.0 for one in _below(now.seats, seat)), default=0.0)
    if node.behind == 1 and waited < SHORT_WAIT:
        return None
    status: Status = "broken" if node.behind >= MANY_WAIT or waited >= LONG_WAIT else "risk"
    many = f"{node.behind} session{'s wait' if node.behind > 1 else ' waits'}"
    holds = f", which holds {_listed(seat.holds)}" if seat.holds else ""
    how_long = f", the longest for {value(waited, 's')}" if node.behind > 1 else f", for {value(waited, 's')} so far"
    text = f"{many} for {who(seat, value)}{holds}{how_long}"
    key = "prepared-blocks" if node.pid == PREPARED else "blocking"
    subject = "no session" if node.pid == PREPARED else called(seat.session) if seat.session else f"pid {node.pid}"
    return Diagnosis(key, status, subject, text, mend(seat))


def _below(seats: Sequence[Seat], root: Seat) -> list[Seat]:
    """The seats of one tree: they follow their root."""
    place = seats.index(root)
    found: list[Seat] = []
    for seat in seats[place + 1 :]:
        if seat.node.depth == 0:
            break
        found.append(seat)
    # Who waits for two roots is drawn below one of them.
    also = set(root.node.elsewhere)
    return found + [seat for seat in seats if seat.node.pid in also]


def who(seat: Seat, value: Words) -> str:
    """Who sits there, with what it does."""
    if seat.node.pid == PREPARED:
        names = [f"{one.gid} (of {one.owner})" for one in seat.prepared]
        return f"the prepared transaction {_listed(names)}" if names else "a prepared transaction"
    return named(seat.session, value) if seat.session is not None else f"pid {seat.node.pid}"


def named(session: Session, value: Words) -> str:
    """``pid 4711 (quarterly-report, idle in transaction for 3 min)``."""
    since = session.since(session.query_start if session.state == "active" else session.state_change)
    long = f" for {value(since, 's')}" if since is not None else ""
    state = session.state if session.kind == CLIENT else session.kind
    return f"pid {session.pid} ({session.name}, {state or 'state unknown'}{long})"


def called(session: Session) -> str:
    """``pid 4711 (quarterly-report)``."""
    return f"pid {session.pid} ({session.name})"


def mend(seat: Seat) -> str:
    """The calls that would let those behind go on."""
    if seat.node.pid == PREPARED:
        quoted = [(one, one.gid.replace("'", "''")) for one in seat.prepared]
        return "\n".join(f"ROLLBACK PREPARED '{gid}';  -- in the database {one.database}" for one, gid in quoted)
    return ended(seat.session) if seat.session is not None else ""


def ended(session: Session) -> str:
    """The calls that end what a session does; the gentler one first where it has a statement to cancel."""
    end = f"SELECT pg_terminate_backend({session.pid});  -- ends the session, rolls its transaction back"
    if session.state != "active":
        return end
    return f"SELECT pg_cancel_backend({session.pid});  -- ends its statement\n{end}"


def judged_connections(found: Connections, value: Words) -> list[Diagnosis]:
    """What there is to say about connections, what hurts first."""
    standing, pool = found.standing, found.pool
    told: list[Diagnosis] = []
    share = _share(found)
    if share >= NEAR_FULL:
        status: Status = "broken" if share >= FULL else "risk"
        text = f"{standing.clients} of {standing.usable} usable connections are taken ({value(share, 'ratio')})"
        told.append(Diagnosis("connections", status, "max_connections", text, f"max_connections > {_above(found)}"))
    if pool is not None and pool.connections > standing.usable:
        text = (
            f"{pool.replicas} replica{'s' if pool.replicas > 1 else ''} may open {pool.connections} connections, "
            f"and the server has {standing.usable} for them"
        )
        told.append(
            Diagnosis("pool-above-server", "risk", "max_connections", text, f"max_connections > {_above(found)}")
        )
    if standing.standby:
        told.append(Diagnosis("read-only", "risk", "standby", "The server is a standby: it takes no changes"))
    elif standing.read_only:
        text = "Transactions of this database only read: default_transaction_read_only is on"
        mend_it = "ALTER DATABASE … RESET default_transaction_read_only;"
        told.append(Diagnosis("read-only", "risk", "default_transaction_read_only", text, mend_it))
    return told


def _share(found: Connections) -> float:
    standing = found.standing
    return standing.clients / standing.usable if standing.usable else 1.0


def _above(found: Connections) -> int:
    standing = found.standing
    kept = standing.max_connections - standing.usable
    return max(standing.max_connections, (found.pool.connections if found.pool is not None else 0) + kept)


def _listed(texts: Sequence[str]) -> str:
    shown = list(texts[:2])
    more = len(texts) - len(shown)
    return f"{' and '.join(shown)}{f' and {more} more' if more else ''}"
