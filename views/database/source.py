"""How it stands with PostgreSQL: rights, extensions and switches of its statistics."""

from __future__ import annotations

from collectors.postgres.client import Postgres, Server
from collectors.sql import quoted
from views.shared.reports import Lack, SourceCheck


def check(database: Postgres) -> tuple[str, list[Lack]]:
    """Version and lacks."""
    kept = database.server()
    if kept.error is not None:
        raise kept.error
    server = kept.value
    lacks = []
    if not server.monitor:
        lacks.append(
            Lack(
                f"The role {server.role} is not a member of pg_monitor: it sees no statements and waits of others.",
                f'GRANT pg_monitor TO "{server.role}";',
            )
        )
    return server.version_text, lacks + _of_sessions(database) + _of_postgres(server)


def _of_sessions(database: Postgres) -> list[Lack]:
    """What the console's own sessions lack."""
    if database.source.arrived is not False:
        return []
    return [
        Lack(
            "A pooler stands between and drops the settings of a session: they go with each question instead.",
            "Set pgbouncer = true for this source, or use PostgreSQL's own port.",
        )
    ]


def _of_postgres(server: Server) -> list[Lack]:
    """Extensions and settings that the console would use."""
    lacks = []
    if not server.statements_loaded:
        lacks.append(
            Lack(
                "The library of pg_stat_statements is not loaded: which statements take the time is not known.",
                "Add pg_stat_statements to shared_preload_libraries and restart"
                + ("" if "pg_stat_statements" in server.extensions else "; then CREATE EXTENSION pg_stat_statements;"),
            )
        )
    elif "pg_stat_statements" not in server.extensions:
        lacks.append(
            Lack(
                f"The database {server.database} has no extension pg_stat_statements: which statements take the "
                "time is not known.",
                f"CREATE EXTENSION pg_stat_statements; in the database {server.database}",
            )
        )
    for name in ("pg_stat_statements", "pgstattuple"):
        extension = server.extensions.get(name)
        if extension is not None and not extension.usable:
            lacks.append(
                Lack(
                    f"The role {server.role} may not use the schema {extension.schema}, in which {name} is.",
                    f"GRANT USAGE ON SCHEMA {quoted(extension.schema)} TO {quoted(server.role)};",
                )
            )
    if not server.activities:
        lacks.append(
            Lack(
                "track_activities is off: what sessions do and wait for is not known, of all or of some roles.",
                "ALTER SYSTEM SET track_activities = on; SELECT pg_reload_conf(); reset it for roles and databases.",
            )
        )
    if "pgstattuple" not in server.extensions:
        lacks.append(
            Lack(
                f"The database {server.database} has no extension pgstattuple: bloat is estimated, not measured.",
                f"CREATE EXTENSION pgstattuple; in the database {server.database}",
            )
        )
    if not server.io_timing:
        lacks.append(
            Lack(
                "track_io_timing is off: how much of a statement's time is reading and writing is not known.",
                "ALTER SYSTEM SET track_io_timing = on; SELECT pg_reload_conf();",
            )
        )
    if server.standby:
        lacks.append(
            Lack(
                "It is a standby: what happens on the primary is seen on the primary only.",
                "Point the console at the primary.",
            )
        )
    return lacks


CHECKS = {
    "postgres": SourceCheck("sessions, locks and statistics of the database", lambda sources: sources.postgres, check)
}
"""Source → how it is looked at."""
