-- How many connections there are and may be, deadlocks so far, and whether the server takes changes.
-- since: 15
SELECT
    (
        SELECT count(*)::int FROM pg_stat_activity AS a
        -- Without the right to see it a session of somebody else has no kind.
        WHERE a.backend_type = 'client backend' OR (a.backend_type IS NULL AND a.datid IS NOT NULL)
    ) AS clients,
    current_setting('max_connections')::int AS max_connections,
    current_setting('superuser_reserved_connections')::int AS superuser_reserved,
    coalesce(current_setting('reserved_connections', true), '0')::int AS reserved,
    (SELECT extract(epoch FROM current_setting('deadlock_timeout')::interval))::float8 AS deadlock_timeout,
    s.deadlocks,
    s.stats_reset AS reset_at,
    pg_postmaster_start_time() AS started_at,
    pg_is_in_recovery() AS standby,
    EXISTS (
        SELECT 1 FROM pg_db_role_setting AS r
        WHERE r.setdatabase IN (0, s.datid) AND r.setrole = 0
            AND 'default_transaction_read_only=on' = ANY (r.setconfig)
    ) AS read_only,
    clock_timestamp() AS as_of
FROM pg_stat_database AS s
WHERE s.datname = current_database()
