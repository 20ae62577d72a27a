-- How many sessions work or wait at this moment, by what they wait for, statement, user and client;
-- the console's own are left out.
-- Background processes count while they work: one that waits for something to do ("Activity") is no load.
-- since: 15
-- needs: pg_read_all_stats
SELECT
    CASE WHEN a.wait_event_type IS NULL THEN 'CPU' ELSE a.wait_event_type || ':' || a.wait_event END AS wait,
    coalesce(a.query_id, 0) AS query_id,
    coalesce(a.usename::text, '') AS "user",
    CASE
        WHEN a.backend_type IN ('client backend', 'parallel worker') THEN coalesce(a.application_name, '')
        ELSE a.backend_type
    END AS client,
    -- A statement that waits for its tables while it is read has no identifier yet.
    -- Octets: those of a database in another encoding are no text in this one.
    CASE
        WHEN a.query_id IS NULL AND a.backend_type = 'client backend'
            THEN substring(textsend(coalesce(a.query, '')) FROM 1 FOR %(octets)s)
        ELSE ''
    END AS text,
    coalesce(pg_encoding_to_char(d.encoding)::text, '') AS encoding,
    count(*) AS sessions
FROM pg_stat_activity AS a
LEFT JOIN pg_database AS d ON d.oid = a.datid
WHERE a.state IN ('active', 'fastpath function call')
    AND a.pid <> pg_backend_pid()
    AND a.application_name IS DISTINCT FROM %(own)s
    AND a.wait_event_type IS DISTINCT FROM 'Activity'
    AND (
        a.backend_type IN ('client backend', 'parallel worker')
        OR a.wait_event_type IS NULL
        OR a.wait_event_type NOT IN ('Client', 'Extension', 'Timeout')
    )
GROUP BY 1, 2, 3, 4, 5, 6
