-- Settings that belong to roles or to this database, and which roles have sessions in it right now.
-- since: 15
-- needs: pg_monitor
SELECT
    coalesce(r.rolname::text, '') AS role,
    coalesce(s.setdatabase, 0) <> 0 AS here_only,
    coalesce(split_part(one.entry, '=', 1), '') AS name,
    coalesce(substr(one.entry, strpos(one.entry, '=') + 1), '') AS setting,
    r.rolname IN (
        SELECT a.usename FROM pg_stat_activity AS a
        WHERE a.datname = current_database() AND a.backend_type = 'client backend'
            AND a.application_name IS DISTINCT FROM %(own)s
    ) AS connected,
    coalesce(r.rolsuper, false) AS superuser,
    r.oid IS NOT NULL AND pg_has_role(r.oid, 'pg_monitor', 'USAGE') AS watcher
FROM pg_roles AS r
FULL JOIN pg_db_role_setting AS s ON s.setrole = r.oid
LEFT JOIN LATERAL unnest(s.setconfig) AS one (entry) ON true
WHERE (r.rolcanlogin OR r.oid IS NULL)
    AND coalesce(s.setdatabase, 0) IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
ORDER BY role, name
