-- The texts of a statement as roles have sent it in their databases; those that may be planned first.
-- since: 15
-- needs: pg_read_all_stats
-- extension: pg_stat_statements
SELECT
    r.rolname::text AS role,
    d.datname::text AS database,
    d.datname = current_database() AS here,
    left(s.query, %(characters)s) AS text
FROM {schema}.pg_stat_statements(true) AS s
JOIN pg_roles AS r ON r.oid = s.userid
JOIN pg_database AS d ON d.oid = s.dbid
WHERE s.queryid = %(id)s
ORDER BY d.datname = current_database() AND r.rolname = ANY(%(roles)s) DESC, s.toplevel DESC, r.rolname, d.datname
LIMIT 20
