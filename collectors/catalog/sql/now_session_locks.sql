-- The locks of one session, those it waits for first; equal ones are counted.
-- since: 15
SELECT
    l.locktype AS kind,
    l.mode,
    l.granted,
    CASE
        WHEN l.relation IS NULL THEN ''
        WHEN c.oid IS NULL THEN 'relation ' || l.relation || coalesce(' of ' || d.datname, '')
        WHEN n.nspname = 'public' THEN c.relname::text
        ELSE n.nspname || '.' || c.relname
    END AS relation,
    count(*) AS number,
    min(l.waitstart) AS wait_start
FROM pg_locks AS l
LEFT JOIN pg_database AS d ON d.oid = l.database AND d.datname <> current_database()
LEFT JOIN pg_class AS c ON c.oid = l.relation AND d.oid IS NULL
LEFT JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE l.pid = %(pid)s
    -- Each session holds the one of its own virtual number.
    AND NOT (l.locktype = 'virtualxid' AND l.granted AND l.virtualxid = l.virtualtransaction)
GROUP BY 1, 2, 3, 4
ORDER BY l.granted, l.mode, 4
LIMIT 200
