"""Leases: of any number of consoles that share the records, one at a time does a piece of background work.

A lease has a name, a holder, an end by the database's own clock, and a fence: a number that grows whenever the lease
changes hands. Who holds it writes in a transaction that checks the fence first (:func:`check_lease`), so a holder that
was asleep while another one took over cannot write any more, whatever its own clock says.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, select, text, update
from sqlalchemy.dialects import postgresql, sqlite

from records.database import Database
from records.schema import NAME_LENGTH, leases

_NEVER = datetime(1971, 1, 1, tzinfo=UTC)


class LeaseLostError(Exception):
    """Another console has taken the work over; nothing was written."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A piece of work that is ours for a while.

    Attributes:
        name: Which work.
        holder: Who does it.
        fence: How often it has changed hands.
        expires_at: Until when it is ours without being renewed, aware UTC, by the database's clock.
    """

    name: str
    holder: str
    fence: int
    expires_at: datetime


def database_time(connection: Connection) -> datetime:
    """The database's clock, aware UTC: the one clock that all consoles share."""
    if connection.dialect.name == "sqlite":
        told = connection.execute(text("SELECT strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now')")).scalar_one()
        return datetime.fromisoformat(told)
    moment: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    return moment.astimezone(UTC)


def take_lease(database: Database, name: str, holder: str, seconds: float) -> Lease | None:
    """Take a piece of work that nobody has, or whose holder let its time pass.

    Args:
        database: The records.
        name: Which work, at most 80 characters.
        holder: Who takes it; another name for each process.
        seconds: How long it is ours without being renewed.

    Returns:
        The lease, or ``None`` while another one holds it.

    Raises:
        RecordsError: The database could not be used.
    """
    t = leases
    with database.writing() as connection:
        dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
        first = dialect.insert(t).values(name=name, holder="", fence=0, expires_at=_NEVER).on_conflict_do_nothing()
        connection.execute(first)
        row = connection.execute(select(t).where(t.c.name == name).with_for_update()).one()
        now = database_time(connection)
        if row.expires_at > now:
            return None
        lease = Lease(name, holder[:NAME_LENGTH], row.fence + 1, now + timedelta(seconds=seconds))
        values = {"holder": lease.holder, "fence": lease.fence, "expires_at": lease.expires_at}
        connection.execute(update(t).where(t.c.name == name).values(values))
    return lease


def renew_lease(database: Database, lease: Lease, seconds: float) -> Lease:
    """Keep a piece of work for another while; also one whose time has passed, as long as nobody took it.

    Raises:
        LeaseLostError: Another one has taken it.
        RecordsError: The database could not be used.
    """
    with database.writing() as connection:
        check_lease(connection, lease)
        renewed = replace(lease, expires_at=database_time(connection) + timedelta(seconds=seconds))
        connection.execute(update(leases).where(leases.c.name == lease.name).values(expires_at=renewed.expires_at))
    return renewed


def release_lease(database: Database, lease: Lease) -> None:
    """Give a piece of work back, so that another one need not wait for its end; nothing where it is not ours.

    Raises:
        RecordsError: The database could not be used.
    """
    t = leases
    with database.writing() as connection:
        given = update(t).where(t.c.name == lease.name, t.c.fence == lease.fence).values(expires_at=_NEVER)
        connection.execute(given)


def check_lease(connection: Connection, lease: Lease) -> None:
    """Make sure that a lease is still ours, and stays so until the transaction ends.

    Args:
        connection: Of a transaction that writes.
        lease: The lease.

    Raises:
        LeaseLostError: Another one has taken it.
    """
    query = select(leases.c.fence).where(leases.c.name == lease.name).with_for_update()
    if connection.execute(query).scalar_one_or_none() != lease.fence:
        raise LeaseLostError(f"{lease.name} is done by another console now")
