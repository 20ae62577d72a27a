-- How big some tables are, which table each is a partition of, and which indexes it has; also what a sort may use.
-- since: 15
SELECT
    n.nspname::text AS schema,
    c.relname::text AS name,
    c.reltuples::float8 AS rows,
    pg_relation_size(c.oid)::bigint AS bytes,
    coalesce(pn.nspname::text, '') AS parent_schema,
    coalesce(p.relname::text, '') AS parent,
    -- An expression may hold a text of any length.
    ARRAY(
        SELECT CASE WHEN length(d) > 4000 THEN left(d, 4000) || ' ...' ELSE d END
        FROM pg_index AS i CROSS JOIN LATERAL pg_get_indexdef(i.indexrelid) AS d
        WHERE i.indrelid = c.oid AND i.indisvalid
        ORDER BY 1
    ) AS indexes,
    (SELECT s.setting::bigint * 1024 FROM pg_settings AS s WHERE s.name = 'work_mem') AS work_mem
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_inherits AS h ON h.inhrelid = c.oid AND c.relispartition
LEFT JOIN pg_class AS p ON p.oid = h.inhparent
LEFT JOIN pg_namespace AS pn ON pn.oid = p.relnamespace
WHERE (n.nspname::text, c.relname::text) IN (
    SELECT * FROM unnest(%(schemas)s::text[], %(names)s::text[])
)
