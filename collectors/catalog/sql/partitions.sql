-- Each partition with its bounds, as PostgreSQL writes them in ISO form and UTC, and by what its table is partitioned.
-- since: 15
WITH locked AS MATERIALIZED (
    SELECT DISTINCT l.relation
    FROM pg_locks AS l
    JOIN pg_database AS d ON d.oid = l.database AND d.datname = current_database()
    WHERE l.mode = 'AccessExclusiveLock' AND l.relation IS NOT NULL
), counted AS MATERIALIZED (
    SELECT c.oid, h.inhparent AS parent, c.oid = k.partdefid AS is_default
    FROM pg_inherits AS h
    JOIN pg_class AS c ON c.oid = h.inhrelid AND c.relispartition AND c.relkind IN ('r', 'p', 'f')
    JOIN pg_partitioned_table AS k ON k.partrelid = h.inhparent
), listed AS MATERIALIZED (
    SELECT l.oid
    FROM counted AS l
    JOIN pg_class AS c ON c.oid = l.oid
    JOIN pg_class AS p ON p.oid = l.parent
    ORDER BY p.relnamespace::regnamespace::text, p.relname, l.is_default, c.relnamespace::regnamespace::text, c.relname
    LIMIT %(most)s
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
        -- A list may be of any length.
        ELSE coalesce((SELECT CASE WHEN length(d) > 4000 THEN left(d, 4000) || ' ...' ELSE d END FROM pg_get_expr(c.relpartbound, c.oid) AS d), '')
    END AS bounds,
    -- As in tables.sql: the planner's number until the table was counted anew after a reset.
    CASE
        WHEN coalesce(s.last_vacuum, s.last_autovacuum, s.last_analyze, s.last_autoanalyze) IS NOT NULL THEN s.n_live_tup
        ELSE greatest(s.n_live_tup, c.reltuples::bigint, 0)
    END AS live_rows,
    (SELECT count(*) FROM counted) AS total
FROM listed AS l
JOIN pg_class AS c ON c.oid = l.oid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_inherits AS h ON h.inhrelid = c.oid
JOIN pg_class AS p ON p.oid = h.inhparent
JOIN pg_namespace AS pn ON pn.oid = p.relnamespace
JOIN pg_partitioned_table AS k ON k.partrelid = p.oid
LEFT JOIN pg_attribute AS a ON a.attrelid = p.oid AND a.attnum = k.partattrs[0]
-- One by one: joined, the view would be made of all tables.
LEFT JOIN LATERAL (SELECT v.* FROM pg_stat_all_tables AS v WHERE v.relid = c.oid OFFSET 0) AS s ON true
ORDER BY parent, is_default, name
