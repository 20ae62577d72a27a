-- What the databases counted: deadlocks, temporary files, rollbacks, conflicts, checksum failures; age of transactions.
-- since: 15
SELECT
    coalesce(s.datname::text, '') AS database,
    s.datname = current_database() AS own,
    s.xact_commit AS commits,
    s.xact_rollback AS rollbacks,
    s.deadlocks,
    s.temp_files,
    s.temp_bytes,
    s.conflicts,
    s.checksum_failures,
    s.checksum_last_failure,
    s.sessions_abandoned,
    s.sessions_fatal,
    s.sessions_killed,
    s.stats_reset AS reset_at,
    age(d.datfrozenxid)::bigint AS transaction_age,
    mxid_age(d.datminmxid)::bigint AS multixact_age,
    clock_timestamp() AS as_of
FROM pg_stat_database AS s LEFT JOIN pg_database AS d ON d.oid = s.datid
ORDER BY own DESC NULLS LAST, s.datname
