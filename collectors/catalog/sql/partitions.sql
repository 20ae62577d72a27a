-- Each partition with its bounds, as PostgreSQL writes them in ISO form and UTC, and by what its table is partitioned.
-- since: 15
WITH locked AS MATERIALIZED (
    SELECT DISTINCT l.relation
    FROM pg_locks AS l
    JOIN pg_database AS d ON d.oid = l.database AND d.datname = current_database()
    WHERE l.mode = 'AccessExclusiveLock' AND l.relation IS NOT NULL
)
SELECT
    format('%%I.%%I', n.nspname, c.relname) AS name,
    c.relname::text AS short_name,
    format('%%I.%%I', pn.nspname, p.relname) AS parent,
    format('%%I', pn.nspname) AS parent_schema,
    p.relname::text AS short_parent,
    CASE k.partstrat WHEN 'r' THEN 'range' WHEN 'l' THEN 'list' ELSE 'hash' END AS strategy,
    -- Only of a single plain column: of which type it is.
    CASE WHEN k.partnatts = 1 AND k.partattrs[0] > 0 THEN format('%%I', a.attname) ELSE '' END AS "column",
    CASE WHEN k.partnatts = 1 AND k.partattrs[0] > 0 THEN format_type(a.atttypid, NULL) ELSE '' END AS type,
    c.oid = k.partdefid AS is_default,
    CASE
        WHEN c.oid IN (SELECT relation FROM locked) THEN ''
        ELSE coalesce(pg_get_expr(c.relpartbound, c.oid), '')
    END AS bounds,
    -- As in tables.sql: the planner's number until the table was counted anew after a reset.
    CASE
        WHEN coalesce(s.last_vacuum, s.last_autovacuum, s.last_analyze, s.last_autoanalyze) IS NOT NULL THEN s.n_live_tup
        ELSE greatest(s.n_live_tup, c.reltuples::bigint, 0)
    END AS live_rows,
    count(*) OVER () AS total
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_inherits AS h ON h.inhrelid = c.oid
JOIN pg_class AS p ON p.oid = h.inhparent
JOIN pg_namespace AS pn ON pn.oid = p.relnamespace
JOIN pg_partitioned_table AS k ON k.partrelid = p.oid
LEFT JOIN pg_attribute AS a ON a.attrelid = p.oid AND a.attnum = k.partattrs[0]
LEFT JOIN pg_stat_all_tables AS s ON s.relid = c.oid
WHERE c.relispartition AND c.relkind IN ('r', 'p', 'f')
ORDER BY parent, is_default, name
LIMIT %(most)s
