"""Faults to order: each injures the installation physically, persists until healed, and says what must move."""

from __future__ import annotations

from typing import cast

from demo.faults import (
    bad_deploy,
    bloat,
    cache_eviction,
    cache_flushed,
    error_burst,
    idle_in_transaction,
    lock_pileup,
    log_flood,
    login_brute_force,
    memory_leak,
    missing_index,
    pool_exhausted,
    slow_database,
    xid_age,
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
            # Sessions first: what they hold would keep the others from being healed.
            lock_pileup,
            idle_in_transaction,
            missing_index,
            bloat,
            xid_age,
            cache_eviction,
        ),
    )
}
