-- Who holds back the removal of dead rows in this database: sessions, prepared transactions, slots, standbys.
-- since: 15
-- needs: pg_monitor
SELECT kind, name, pid, detail, since, age
FROM (
    SELECT 'session' AS kind, coalesce(nullif(application_name, ''), usename::text, '') AS name, pid,
        coalesce(state, '') AS detail, xact_start AS since,
        greatest(age(backend_xmin), age(backend_xid))::bigint AS age
    FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type NOT IN ('autovacuum worker', 'walsender')
        AND application_name IS DISTINCT FROM %(own)s
        -- A plain vacuum does not hold back others.
        AND pid NOT IN (SELECT p.pid FROM pg_stat_progress_vacuum AS p)
    UNION ALL
    SELECT 'prepared transaction', gid, NULL, owner::text, prepared, age(transaction)::bigint
    FROM pg_prepared_xacts WHERE database = current_database()
    UNION ALL
    SELECT 'slot', slot_name::text, active_pid, CASE WHEN active THEN 'active' ELSE 'inactive' END, NULL,
        greatest(age(xmin), age(catalog_xmin))::bigint
    FROM pg_replication_slots
    UNION ALL
    SELECT 'standby', coalesce(nullif(application_name, ''), 'without a name'), pid, coalesce(state, ''),
        backend_start, age(backend_xmin)::bigint
    FROM pg_stat_replication
) AS holders
WHERE age IS NOT NULL
ORDER BY age DESC, since NULLS LAST
LIMIT 20
