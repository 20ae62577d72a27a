-- What each session does, what it waits for, and which sessions stand in its way; the console's own are left out.
-- since: 15
-- needs: pg_read_all_stats
SELECT
    a.pid,
    a.leader_pid AS leader,
    coalesce(a.datname::text, '') AS database,
    coalesce(a.usename::text, '') AS "user",
    coalesce(a.application_name, '') AS application,
    coalesce(host(a.client_addr), '') AS client,
    coalesce(a.state, '') AS state,
    coalesce(a.wait_event_type, '') AS wait_type,
    coalesce(a.wait_event, '') AS wait_event,
    coalesce(a.backend_type, '') AS kind,
    a.backend_start,
    a.xact_start,
    a.query_start,
    a.state_change,
    a.query_id,
    -- Octets: those of a database in another encoding are no text in this one.
    substring(textsend(coalesce(a.query, '')) FROM 1 FOR %(octets)s) AS query,
    coalesce(pg_encoding_to_char(d.encoding)::text, '') AS encoding,
    greatest(age(a.backend_xmin), age(a.backend_xid))::bigint AS horizon,
    CASE WHEN a.wait_event_type = 'Lock' THEN pg_blocking_pids(a.pid) ELSE '{}'::int[] END AS blocked_by,
    clock_timestamp() AS as_of
FROM pg_stat_activity AS a
LEFT JOIN pg_database AS d ON d.oid = a.datid
WHERE a.application_name IS DISTINCT FROM %(own)s
ORDER BY a.xact_start NULLS LAST, a.pid
