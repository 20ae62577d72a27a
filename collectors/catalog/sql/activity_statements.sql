-- The normalised texts of statements that have ended, by their identifier.
-- since: 15
-- needs: pg_read_all_stats
-- extension: pg_stat_statements
SELECT s.queryid AS query_id, left(min(s.query), %(characters)s) AS text
FROM {schema}.pg_stat_statements AS s
WHERE s.queryid = ANY(%(ids)s::bigint[])
GROUP BY s.queryid
