-- What the size of a table would be estimated from: rows, and the widths that the planner's statistics give its columns; only of tables that the role may read.
-- since: 15
WITH locked AS MATERIALIZED (
    SELECT DISTINCT l.relation
    FROM pg_locks AS l
    JOIN pg_database AS d ON d.oid = l.database AND d.datname = current_database()
    WHERE l.mode = 'AccessExclusiveLock' AND l.relation IS NOT NULL
), listed AS MATERIALIZED (
    SELECT c.oid
    FROM pg_class AS c
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'm')
        AND c.relpersistence <> 't'
        AND n.nspname NOT IN ('pg_catalog', 'information_schema')
        AND c.oid NOT IN (SELECT relation FROM locked)
    ORDER BY greatest(c.relpages::float8, pg_stat_get_live_tuples(c.oid) / 100.0) DESC, c.oid
    LIMIT %(most)s
)
SELECT
    c.oid::bigint AS oid,
    pg_relation_size(c.oid) AS bytes,
    -- As in tables.sql: the planner's number until the table was counted anew after a reset.
    CASE
        WHEN coalesce(s.last_vacuum, s.last_autovacuum, s.last_analyze, s.last_autoanalyze) IS NOT NULL
            THEN s.n_live_tup::float8
        ELSE greatest(nullif(s.n_live_tup, 0)::float8, nullif(c.reltuples, -1)::float8)
    END AS row_count,
    coalesce(substring(array_to_string(c.reloptions, ' ') FROM 'fillfactor=([0-9]+)')::int, 100) AS fillfactor,
    count(*)::int AS columns,
    count(w.attname)::int AS known,
    -- A value of fixed length after one of any length stands, on average, half of its alignment further on.
    coalesce(
        sum(
            (1 - w.null_frac) * (
                w.avg_width
                + CASE
                    WHEN b.attlen IS DISTINCT FROM -1 OR a.attlen < 0 THEN 0
                    WHEN a.attalign = 'd' THEN 3.5
                    WHEN a.attalign = 'i' THEN 1.5
                    WHEN a.attalign = 's' THEN 0.5
                    ELSE 0
                END
            )
        ),
        0
    )::float8 AS width,
    coalesce(max(w.null_frac) > 0, false) AS nulls
FROM listed
JOIN pg_class AS c ON c.oid = listed.oid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN LATERAL (
    SELECT p.attlen
    FROM pg_attribute AS p
    WHERE p.attrelid = a.attrelid AND p.attnum > 0 AND p.attnum < a.attnum AND NOT p.attisdropped
    ORDER BY p.attnum DESC
    LIMIT 1
) AS b ON true
-- One by one: joined, the view would be made of all tables.
LEFT JOIN LATERAL (SELECT v.* FROM pg_stat_all_tables AS v WHERE v.relid = c.oid OFFSET 0) AS s ON true
LEFT JOIN LATERAL (
    SELECT v.attname, v.null_frac, v.avg_width
    FROM pg_stats AS v
    WHERE v.schemaname = n.nspname AND v.tablename = c.relname AND v.attname = a.attname AND NOT v.inherited
    OFFSET 0
) AS w ON true
GROUP BY c.oid, s.n_live_tup, s.last_vacuum, s.last_autovacuum, s.last_analyze, s.last_autoanalyze
ORDER BY c.relpages DESC, c.oid
