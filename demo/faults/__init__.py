"""Faults to order: each injures the installation physically, persists until healed, and says what must move."""

from __future__ import annotations

from typing import cast

from demo.faults import (
    bad_deploy,
    cache_flushed,
    error_burst,
    log_flood,
    login_brute_force,
    memory_leak,
    pool_exhausted,
    slow_database,
)
from demo.faults.catalogue import Fault

FAULTS: dict[str, Fault] = {
    fault.NAME: fault
    for fault in cast(
        "tuple[Fault, ...]",
        (
            slow_database,
            pool_exhausted,
            memory_leak,
            cache_flushed,
            error_burst,
            login_brute_force,
            bad_deploy,
            log_flood,
        ),
    )
}
