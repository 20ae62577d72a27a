-- The valid indexes of some tables, by the tables' names; a table without any has one row without an index.
-- since: 15
SELECT
    n.nspname::text AS schema,
    t.relname::text AS "table",
    t.relkind = 'p' AS partitioned,
    t.relpages AS pages,
    coalesce(c.relname::text, '') AS name,
    CASE
        WHEN c.oid IS NULL THEN ''
        -- To write it PostgreSQL opens the table, and would wait.
        WHEN EXISTS (SELECT FROM pg_locks AS l WHERE l.relation = t.oid AND l.mode = 'AccessExclusiveLock') THEN ''
        -- An expression may hold a text of any length.
        ELSE (SELECT CASE WHEN length(d) > 4000 THEN left(d, 4000) || ' ...' ELSE d END FROM pg_get_indexdef(c.oid) AS d)
    END AS definition
FROM pg_class AS t
JOIN pg_namespace AS n ON n.oid = t.relnamespace
LEFT JOIN pg_index AS i ON i.indrelid = t.oid AND i.indisvalid
LEFT JOIN pg_class AS c ON c.oid = i.indexrelid
WHERE t.relname = ANY(%(names)s)
    AND t.relkind IN ('r', 'm', 'p')
    AND NOT t.relispartition
    AND t.relpersistence <> 't'
    AND n.nspname NOT IN ('pg_catalog', 'information_schema')
ORDER BY 1, 2, 5
LIMIT 1000
