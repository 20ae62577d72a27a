-- Each index with size, use, state and what makes it equal to another, those of partitioned tables first and then the biggest.
-- since: 15
WITH locked AS MATERIALIZED (
    SELECT DISTINCT l.relation
    FROM pg_locks AS l
    JOIN pg_database AS d ON d.oid = l.database AND d.datname = current_database()
    WHERE l.mode = 'AccessExclusiveLock' AND l.relation IS NOT NULL
), counted AS MATERIALIZED (
    SELECT
        c.oid,
        c.relkind = 'I' AS partitioned,
        -- What the planner knows, or what was counted of the table where it knows nothing yet.
        greatest(c.relpages::float8, pg_stat_get_live_tuples(i.indrelid) / 300.0) AS pages
    FROM pg_index AS i
    JOIN pg_class AS c ON c.oid = i.indexrelid
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') AND c.relpersistence <> 't'
), listed AS MATERIALIZED (
    -- Reading a size is opening a file. Of thousands of indexes it is read of those that are likely to be the biggest.
    SELECT k.oid FROM counted AS k ORDER BY k.partitioned DESC, k.pages DESC, k.oid LIMIT %(most)s
), sized AS MATERIALIZED (
    SELECT
        c.oid,
        CASE
            WHEN c.oid IN (SELECT relation FROM locked) THEN c.relpages::bigint * current_setting('block_size')::bigint
            ELSE pg_relation_size(c.oid)
        END AS bytes
    FROM listed AS l
    JOIN pg_class AS c ON c.oid = l.oid
    WHERE c.relkind = 'i'
), building AS MATERIALIZED (
    SELECT b.index_relid FROM pg_stat_progress_create_index AS b WHERE b.datname = current_database()
)
SELECT
    c.oid::bigint AS oid,
    format('%%I.%%I', n.nspname, c.relname) AS name,
    c.relname::text AS short_name,
    format('%%I.%%I', tn.nspname, t.relname) AS "table",
    t.relname::text AS short_table,
    c.relkind = 'I' AS partitioned,
    CASE WHEN p.oid IS NULL THEN '' ELSE format('%%I.%%I', pn.nspname, p.relname) END AS parent,
    coalesce(z.bytes, 0)::bigint AS bytes,
    s.idx_scan AS scans,
    NULL::timestamptz AS last_scan,
    i.indisunique AS is_unique,
    i.indisprimary AS is_primary,
    EXISTS (SELECT FROM pg_constraint AS k WHERE k.conindid = c.oid AND k.contype IN ('p', 'u', 'x')) AS is_constraint,
    i.indisreplident AS is_identity,
    i.indisvalid AS is_valid,
    i.indisready AS is_ready,
    -- NULL for who may not see what others build.
    coalesce(c.oid IN (SELECT index_relid FROM building), false) AS building,
    a.amname::text AS method,
    -- To write it PostgreSQL opens the table, and would wait. An expression may hold a text of any length.
    CASE
        WHEN i.indrelid IN (SELECT relation FROM locked) THEN ''
        ELSE (SELECT CASE WHEN length(d) > 4000 THEN left(d, 4000) || ' ...' ELSE d END FROM pg_get_indexdef(c.oid) AS d)
    END AS definition,
    -- Column, operator class, collation and order of each key: equal lists are equal keys.
    ARRAY(
        SELECT concat_ws('/', i.indkey[k], i.indclass[k], i.indcollation[k], i.indoption[k])
        FROM generate_series(0, i.indnkeyatts - 1) AS k
        ORDER BY k
    ) AS keys,
    ARRAY(
        SELECT i.indkey[k]::int FROM generate_series(i.indnkeyatts, i.indnatts - 1) AS k ORDER BY k
    ) AS included,
    -- Where in its text an expression stood is part of how it is stored, and says nothing.
    coalesce(md5(regexp_replace(i.indexprs::text, ' :location -?[0-9]+', '', 'g')), '') AS expressions,
    coalesce(md5(regexp_replace(i.indpred::text, ' :location -?[0-9]+', '', 'g')), '') AS predicate,
    nullif(c.reltuples, -1)::float8 AS planner_rows,
    (SELECT count(*) FROM counted) AS total
FROM listed AS l
JOIN pg_index AS i ON i.indexrelid = l.oid
JOIN pg_class AS c ON c.oid = i.indexrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_class AS t ON t.oid = i.indrelid
JOIN pg_namespace AS tn ON tn.oid = t.relnamespace
JOIN pg_am AS a ON a.oid = c.relam
LEFT JOIN pg_inherits AS h ON h.inhrelid = c.oid
LEFT JOIN pg_class AS p ON p.oid = h.inhparent
LEFT JOIN pg_namespace AS pn ON pn.oid = p.relnamespace
LEFT JOIN sized AS z ON z.oid = c.oid
-- One by one: joined, the view would be made of all indexes.
LEFT JOIN LATERAL (SELECT v.* FROM pg_stat_all_indexes AS v WHERE v.indexrelid = c.oid OFFSET 0) AS s ON true
ORDER BY (c.relkind = 'I') DESC, coalesce(z.bytes, 0) DESC, c.oid
