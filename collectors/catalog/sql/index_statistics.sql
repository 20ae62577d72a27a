-- What the size of a B-tree index would be estimated from: entries, and the widths that the planner's statistics give its columns; only of tables that the role may read.
-- since: 15
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
FROM pg_index AS i
JOIN pg_class AS c ON c.oid = i.indexrelid
JOIN pg_am AS m ON m.oid = c.relam AND m.amname = 'btree'
JOIN pg_class AS t ON t.oid = i.indrelid
JOIN pg_namespace AS n ON n.oid = t.relnamespace
-- An index' own columns are numbered from 1; the statistics of an expression are kept under the index.
JOIN pg_attribute AS x ON x.attrelid = c.oid AND x.attnum > 0
LEFT JOIN pg_attribute AS a ON a.attrelid = t.oid AND a.attnum = nullif(i.indkey[x.attnum - 1], 0)
LEFT JOIN pg_stat_all_tables AS s ON s.relid = t.oid
LEFT JOIN pg_stats AS w
    ON w.schemaname = n.nspname
    AND w.tablename = CASE WHEN a.attname IS NULL THEN c.relname ELSE t.relname END
    AND w.attname = coalesce(a.attname, x.attname)
    AND NOT w.inherited
WHERE c.relkind = 'i'
    AND c.relpersistence <> 't'
    AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
    AND NOT EXISTS (
        SELECT FROM pg_locks AS l WHERE l.relation IN (c.oid, t.oid) AND l.mode = 'AccessExclusiveLock'
    )
GROUP BY
    c.oid, i.indpred IS NULL, t.reltuples, s.n_live_tup, s.last_vacuum, s.last_autovacuum, s.last_analyze,
    s.last_autoanalyze
ORDER BY c.relpages DESC, c.oid
LIMIT %(most)s
