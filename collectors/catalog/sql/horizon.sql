-- Who holds back what vacuum may remove and freeze: sessions, prepared transactions, slots and standbys, the oldest first.
-- since: 15
-- needs: pg_monitor
WITH held AS (
    SELECT
        CASE WHEN a.backend_type = 'walsender' THEN 'standby' ELSE 'session' END AS kind,
        a.pid::text AS name,
        concat_ws(' ', nullif(a.usename::text, ''), nullif(a.application_name, '')) AS who,
        coalesce(a.state, '') AS state,
        age(coalesce(a.backend_xmin, a.backend_xid))::bigint AS age,
        coalesce(a.xact_start, a.backend_start) AS since,
        coalesce(a.datname::text, '') AS database,
        false AS catalogue_only
    FROM pg_stat_activity AS a
    WHERE coalesce(a.backend_xmin, a.backend_xid) IS NOT NULL
        AND a.pid <> pg_backend_pid()
        AND a.application_name IS DISTINCT FROM %(own)s
        -- A vacuum holds nobody back but itself.
        AND a.backend_type <> 'autovacuum worker'
        AND NOT EXISTS (SELECT FROM pg_stat_progress_vacuum AS v WHERE v.pid = a.pid)
    UNION ALL
    SELECT 'prepared', x.gid, x.owner::text, 'prepared', age(x.transaction)::bigint, x.prepared, x.database::text, false
    FROM pg_prepared_xacts AS x
    UNION ALL
    SELECT
        'slot',
        r.slot_name::text,
        coalesce(r.plugin::text, r.slot_type),
        CASE WHEN r.active THEN 'active' ELSE 'inactive' END,
        greatest(age(r.xmin), age(r.catalog_xmin))::bigint,
        NULL,
        coalesce(r.database::text, ''),
        r.xmin IS NULL
    FROM pg_replication_slots AS r
    WHERE r.xmin IS NOT NULL OR r.catalog_xmin IS NOT NULL
)
SELECT h.*, h.database IN ('', current_database()) AS here
FROM held AS h
ORDER BY h.database IN ('', current_database()) DESC, h.age DESC NULLS LAST, h.name
LIMIT %(most)s
