-- The texts of statements that run at this moment, by their identifier.
-- since: 15
-- needs: pg_read_all_stats
SELECT a.query_id, left(min(a.query), %(characters)s) AS text
FROM pg_stat_activity AS a
WHERE a.query_id = ANY(%(ids)s::bigint[])
GROUP BY a.query_id
