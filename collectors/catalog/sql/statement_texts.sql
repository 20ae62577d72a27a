-- The texts of some statements, with the server's own marks for the values in them.
-- since: 15
-- needs: pg_read_all_stats
-- extension: pg_stat_statements
SELECT DISTINCT ON (s.queryid) s.queryid AS query_id, left(s.query, %(characters)s) AS text
FROM {schema}.pg_stat_statements(true) AS s
WHERE s.queryid = ANY(%(ids)s)
ORDER BY s.queryid, s.toplevel DESC
