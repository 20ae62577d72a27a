-- The texts of statements that run at this moment, by their identifier.
-- since: 15
-- needs: pg_read_all_stats
SELECT DISTINCT ON (a.query_id)
    a.query_id,
    -- Octets: those of a database in another encoding are no text in this one.
    substring(textsend(a.query) FROM 1 FOR %(octets)s) AS text,
    coalesce(pg_encoding_to_char(d.encoding)::text, '') AS encoding
FROM pg_stat_activity AS a
LEFT JOIN pg_database AS d ON d.oid = a.datid
WHERE a.query_id = ANY(%(ids)s::bigint[]) AND a.query IS NOT NULL
ORDER BY a.query_id, a.pid
