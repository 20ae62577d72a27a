-- What the size of a B-tree index would be estimated from: entries, and the widths that the planner's statistics give its columns; only of tables that the role may read.
-- since: 15
WITH locked AS MATERIALIZED (
    SELECT DISTINCT l.relation
    FROM pg_locks AS l
    JOIN pg_database AS d ON d.oid = l.database AND d.datname = current_database()
    WHERE l.mode = 'AccessExclusiveLock' AND l.relation IS NOT NULL
), listed AS MATERIALIZED (
    SELECT i.indexrelid AS oid
    FROM pg_index AS i
    JOIN pg_class AS c ON c.oid = i.indexrelid AND c.relkind = 'i' AND c.relpersistence <> 't'
    JOIN pg_am AS m ON m.oid = c.relam AND m.amname = 'btree'
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
        AND i.indexrelid NOT IN (SELECT relation FROM locked)
        AND i.indrelid NOT IN (SELECT relation FROM locked)
    ORDER BY greatest(c.relpages::float8, pg_stat_get_live_tuples(i.indrelid) / 300.0) DESC, c.oid
    LIMIT %(most)s
)
SELECT
    c.oid::bigint AS oid,
    pg_relation_size(c.oid) AS bytes,
    -- As in tables.sql: the planner's number until the table was counted anew after a reset.
    CASE
        WHEN NOT (i.indpred IS NULL) THEN nullif(c.reltuples, -1)::float8
        WHEN coalesce(s.last_vacuum, s.last_autovacuum, s.last_analyze, s.last_autoanalyze) IS NOT NULL
            THEN s.n_live_tup::float8
        ELSE greatest(nullif(s.n_live_tup, 0)::float8, nullif(t.reltuples, -1)::float8)
    END AS row_count,
    coalesce(substring(array_to_string(c.reloptions, ' ') FROM 'fillfactor=([0-9]+)')::int, 90) AS fillfactor,
    count(*)::int AS columns,
    count(w.attname)::int AS known,
    coalesce(sum((1 - w.null_frac) * w.avg_width), 0)::float8 AS width,
    coalesce(max(w.null_frac) > 0, false) AS nulls
FROM listed
JOIN pg_index AS i ON i.indexrelid = listed.oid
JOIN pg_class AS c ON c.oid = i.indexrelid
JOIN pg_class AS t ON t.oid = i.indrelid
JOIN pg_namespace AS n ON n.oid = t.relnamespace
-- An index' own columns are numbered from 1; the statistics of an expression are kept under the index.
JOIN pg_attribute AS x ON x.attrelid = c.oid AND x.attnum > 0
LEFT JOIN pg_attribute AS a ON a.attrelid = t.oid AND a.attnum = nullif(i.indkey[x.attnum - 1], 0)
-- One by one: joined, the view would be made of all tables.
LEFT JOIN LATERAL (SELECT v.* FROM pg_stat_all_tables AS v WHERE v.relid = t.oid OFFSET 0) AS s ON true
LEFT JOIN LATERAL (
    SELECT v.attname, v.null_frac, v.avg_width
    FROM pg_stats AS v
    WHERE v.schemaname = n.nspname
        AND v.tablename = CASE WHEN a.attname IS NULL THEN c.relname ELSE t.relname END
        AND v.attname = coalesce(a.attname, x.attname)
        AND NOT v.inherited
    OFFSET 0
) AS w ON true
GROUP BY
    c.oid, i.indpred IS NULL, t.reltuples, s.n_live_tup, s.last_vacuum, s.last_autovacuum, s.last_analyze,
    s.last_autoanalyze
ORDER BY c.relpages DESC, c.oid
