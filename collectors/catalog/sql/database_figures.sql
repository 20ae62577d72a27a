-- The database as a whole: its size, how far its transaction ids have come, and the settings that decide when vacuum comes.
-- since: 15
SELECT
    CASE
        WHEN has_database_privilege(d.oid, 'CONNECT') OR pg_has_role('pg_read_all_stats', 'USAGE')
        THEN pg_database_size(d.oid)
    END AS bytes,
    pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS next_xid,
    age(d.datfrozenxid)::bigint AS xid_age,
    mxid_age(d.datminmxid)::bigint AS mxid_age,
    oldest.datname::text AS oldest_database,
    age(oldest.datfrozenxid)::bigint AS oldest_xid_age,
    s.stats_reset,
    pg_postmaster_start_time() AS started_at,
    pg_is_in_recovery() AS standby,
    current_setting('block_size')::int AS block_size,
    current_setting('autovacuum')::boolean AND current_setting('track_counts')::boolean AS autovacuum,
    current_setting('autovacuum_max_workers')::int AS workers,
    current_setting('autovacuum_vacuum_threshold')::int AS vacuum_threshold,
    current_setting('autovacuum_vacuum_scale_factor')::float8 AS vacuum_scale,
    -- Only from 18 on; -1 is no limit.
    coalesce(current_setting('autovacuum_vacuum_max_threshold', true), '-1')::bigint AS vacuum_max_threshold,
    current_setting('autovacuum_vacuum_insert_threshold')::int AS insert_threshold,
    current_setting('autovacuum_vacuum_insert_scale_factor')::float8 AS insert_scale,
    current_setting('autovacuum_analyze_threshold')::int AS analyze_threshold,
    current_setting('autovacuum_analyze_scale_factor')::float8 AS analyze_scale,
    current_setting('autovacuum_freeze_max_age')::bigint AS freeze_max_age,
    current_setting('autovacuum_multixact_freeze_max_age')::bigint AS multixact_freeze_max_age,
    current_setting('vacuum_failsafe_age')::bigint AS failsafe_age,
    clock_timestamp() AS as_of
FROM pg_database AS d
LEFT JOIN pg_stat_database AS s ON s.datid = d.oid
CROSS JOIN LATERAL (
    SELECT o.datname, o.datfrozenxid FROM pg_database AS o ORDER BY age(o.datfrozenxid) DESC, o.oid LIMIT 1
) AS oldest
WHERE d.datname = current_database()
