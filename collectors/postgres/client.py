"""PostgreSQL: which statements of the catalogue a server can answer, and their answers.

What is asked is in ``catalog/sql/``; what the rows mean is in the modules beside this one that are named after what
they answer (``sessions``, …).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from collectors import sql
from collectors.cache import Answer, AnswerCache
from collectors.errors import BadAnswer, Denied
from collectors.postgres.server import PostgresServer, Rows
from collectors.sql import quoted
from settings import Postgres as PostgresSettings

T = TypeVar("T")

SERVER_TTL = 60.0
"""Seconds for which version, rights and extensions of a server are taken for unchanged."""


class Extension(msgspec.Struct, frozen=True):
    """An extension that is created in the database.

    Attributes:
        schema: Where its functions and views are.
        usable: Whether the console's role may use that schema.
    """

    schema: str
    usable: bool


class Server(msgspec.Struct, frozen=True):
    """Which server it is and what the console may read there.

    Attributes:
        version: As ``server_version_num``: 150018 for 15.18.
        version_text: As it calls itself.
        aurora: Whether it is Amazon Aurora.
        role: Who the console is.
        database: Which database.
        monitor: Whether the role has the rights of ``pg_monitor``.
        read_all_stats: Whether it sees the statements of other roles.
        standby: Whether it is a standby.
        started_at: When it was started.
        max_connections: Its setting.
        io_timing: Whether it measures how long reads and writes take.
        statements_loaded: Whether the library of pg_stat_statements was loaded when it was started.
        activities: Whether it says of all sessions what they do (``track_activities``).
        extensions: Extensions that are created in this database, by name.
    """

    version: int
    version_text: str
    aurora: bool
    role: str
    database: str
    monitor: bool
    read_all_stats: bool
    standby: bool
    started_at: datetime
    max_connections: int
    io_timing: bool
    statements_loaded: bool
    activities: bool
    extensions: dict[str, Extension]

    @property
    def major(self) -> int:
        """Major version, such as 15."""
        return self.version // 10000


class Postgres:
    """The database of one environment.

    Args:
        environment: Key of the environment.
        settings: Where it is.
        cache: Where answers are kept.

    Attributes:
        source: Its connections, with name, address and guard.
        known: What it told last of itself, for whoever must not wait for it; ``None`` while it told nothing.
    """

    def __init__(self, environment: str, settings: PostgresSettings, cache: AnswerCache) -> None:
        self.environment = environment
        self.settings = settings
        self.source = PostgresServer(environment, settings)
        self._cache = cache
        self.known: Server | None = None

    def server(self) -> Answer[Server]:
        """Which server it is.

        Raises:
            SourceError: No usable answer, and none young enough is kept.
        """

        def load() -> Server:
            text = sql.statement("server", sql.OLDEST).text
            found = self.source.convert(self.source.ask(text, {}), Server)[0]
            if found.major < sql.OLDEST:
                what = f"is version {found.version_text}; the console knows {sql.OLDEST} and newer"
                raise BadAnswer(self.source.name, self.source.address, what, trips=False)
            self.known = found
            return found

        return self._cache.get((self.environment, "postgres", "server"), None, load, ttl=SERVER_TTL)

    def ask(self, name: str, parameters: Mapping[str, Any] | None = None) -> Rows:
        """Ask a statement of the catalogue now; the answer is not kept.

        Args:
            name: A key of ``collectors.sql.VERSIONS``.
            parameters: Values for its ``%(name)s``.

        Raises:
            Denied: The console's role lacks a right; the hint is the statement that grants it.
            BadAnswer: The server lacks an extension; the hint is the statement that creates it.
            SourceError: No usable answer.
        """
        server = self.server().value
        try:
            one = sql.statement(name, server.major)
        except sql.SqlError as error:
            raise BadAnswer(self.source.name, self.source.address, f"cannot tell this: {error}", trips=False) from None
        if one.needs and not (server.monitor if one.needs == "pg_monitor" else server.read_all_stats):
            what = f"does not let the role {server.role} see this: it is not a member of {one.needs}"
            hint = f"GRANT {one.needs} TO {quoted(server.role)};"
            raise Denied(self.source.name, self.source.address, what, hint=hint, trips=False)
        if one.extension and one.extension not in server.extensions:
            what = f"lacks the extension {one.extension} in the database {server.database}"
            hint = f"CREATE EXTENSION {one.extension};"
            if one.extension == "pg_stat_statements":
                hint += " It must also be in shared_preload_libraries, which takes a restart."
            raise BadAnswer(self.source.name, self.source.address, what, hint=hint, trips=False)
        if not one.extension:
            return self.source.ask(one.text, parameters or {})
        extension = server.extensions[one.extension]
        if not extension.usable:
            what = f"does not let the role {server.role} use the schema of the extension {one.extension}"
            hint = f"GRANT USAGE ON SCHEMA {quoted(extension.schema)} TO {quoted(server.role)};"
            raise Denied(self.source.name, self.source.address, what, hint=hint, trips=False)
        return self.source.ask(sql.within(one, extension.schema), parameters or {})

    def kept(
        self,
        name: str,
        decode: Callable[[Rows], T],
        parameters: Mapping[str, Any] | None = None,
        *,
        ttl: float | None = None,
    ) -> Answer[T]:
        """The answer to a statement of the catalogue, decoded, computed once for all viewers.

        Args:
            name: A key of ``collectors.sql.VERSIONS``.
            decode: Makes the answer of the rows; may raise ``SourceError``.
            parameters: Values for its ``%(name)s``; hashable.
            ttl: Another time to stay fresh than usual, in seconds.

        Raises:
            SourceError: As :meth:`ask`, and no good answer is young enough.
        """
        view = (self.environment, "postgres", name, tuple(sorted((parameters or {}).items())))
        return self._cache.get(view, None, lambda: decode(self.ask(name, parameters)), ttl=ttl)

    def kept_under(self, name: str, key: Hashable, load: Callable[[], T], *, ttl: float | None = None) -> Answer[T]:
        """Any answer of this database, computed once for all viewers.

        Args:
            name: What kind of answer it is.
            key: What it depends on besides.
            load: Asks for it; may raise ``SourceError``.
            ttl: Another time to stay fresh than usual, in seconds.

        Raises:
            SourceError: What ``load`` raised, and no good answer is young enough.
        """
        return self._cache.get((self.environment, "postgres", name, key), None, load, ttl=ttl)

    def close(self) -> None:
        """Close all connections."""
        self.source.close()
