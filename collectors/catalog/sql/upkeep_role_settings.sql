-- Settings that belong to roles or to this database, and which roles have sessions in it right now.
-- since: 15
-- needs: pg_monitor
SELECT
    coalesce(r.rolname::text, '') AS role,
    coalesce(s.setdatabase, 0) <> 0 AS here_only,
    -- Octets: what was set in a database of another encoding is no text in this one. A role may give itself as many and as
    -- long ones as it likes.
    coalesce(substring(textsend(one.entry) FROM 1 FOR 2000), '') AS entry,
    (SELECT pg_encoding_to_char(d.encoding)::text FROM pg_database AS d WHERE d.datname = current_database()) AS encoding,
    r.rolname IN (
        SELECT a.usename FROM pg_stat_activity AS a
        WHERE a.datname = current_database() AND a.backend_type = 'client backend'
            AND a.application_name IS DISTINCT FROM %(own)s
    ) AS connected,
    coalesce(r.rolsuper, false) AS superuser,
    r.oid IS NOT NULL AND pg_has_role(r.oid, 'pg_monitor', 'USAGE') AS watcher
FROM pg_roles AS r
FULL JOIN pg_db_role_setting AS s ON s.setrole = r.oid
LEFT JOIN LATERAL unnest(s.setconfig[1:500]) WITH ORDINALITY AS one (entry, place) ON true
WHERE (r.rolcanlogin OR r.oid IS NULL)
    AND coalesce(s.setdatabase, 0) IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
ORDER BY r.rolname NULLS FIRST, here_only, one.place
