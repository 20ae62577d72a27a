-- How many sessions work or wait at this moment, by what they wait for, statement, user and client;
-- the console's own are left out.
-- Background processes count while they work: one that waits for something to do ("Activity") is no load.
-- since: 15
-- needs: pg_read_all_stats
SELECT
    CASE WHEN a.wait_event_type IS NULL THEN 'CPU' ELSE a.wait_event_type || ':' || a.wait_event END AS wait,
    coalesce(a.query_id, 0) AS query_id,
    coalesce(a.usename::text, '') AS "user",
    left(
        CASE
            WHEN a.backend_type IN ('client backend', 'parallel worker') THEN coalesce(a.application_name, '')
            ELSE a.backend_type
        END,
        %(characters)s
    ) AS client,
    -- A statement that waits for its tables while it is read has no identifier yet.
    CASE
        WHEN a.query_id IS NULL AND a.backend_type = 'client backend' THEN left(a.query, %(text)s)
        ELSE ''
    END AS text,
    count(*) AS sessions
FROM pg_stat_activity AS a
WHERE a.state IN ('active', 'fastpath function call')
    AND a.pid <> pg_backend_pid()
    AND a.application_name IS DISTINCT FROM %(own)s
    AND a.wait_event_type IS DISTINCT FROM 'Activity'
    AND (
        a.backend_type IN ('client backend', 'parallel worker')
        OR a.wait_event_type IS NULL
        OR a.wait_event_type NOT IN ('Client', 'Extension', 'Timeout')
    )
GROUP BY 1, 2, 3, 4, 5
