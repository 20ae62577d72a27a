-- Each table with size, rows, upkeep and use, partitioned tables first and then the biggest; of one that is locked against everybody the size is the planner's.
-- since: 15
WITH locked AS MATERIALIZED (
    -- pg_relation_size would wait for these, behind whoever waits already.
    SELECT DISTINCT l.relation
    FROM pg_locks AS l
    JOIN pg_database AS d ON d.oid = l.database AND d.datname = current_database()
    WHERE l.mode = 'AccessExclusiveLock' AND l.relation IS NOT NULL
), counted AS MATERIALIZED (
    SELECT
        c.oid,
        c.reltoastrelid,
        c.relkind = 'p' AS partitioned,
        -- What the planner knows, or what was counted where it knows nothing yet, with some 100 rows a page.
        greatest(c.relpages::float8, pg_stat_get_live_tuples(c.oid) / 100.0) AS pages
    FROM pg_class AS c
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'm', 'p')
        AND c.relpersistence <> 't'
        AND n.nspname NOT IN ('pg_catalog', 'information_schema')
), listed AS MATERIALIZED (
    -- Reading a size is opening some files. Of thousands of tables it is read of those that are likely to be the biggest.
    SELECT k.oid, k.reltoastrelid
    FROM counted AS k
    LEFT JOIN pg_class AS o ON o.oid = nullif(k.reltoastrelid, 0)
    LEFT JOIN (
        SELECT i.indrelid, sum(x.relpages) AS pages
        FROM pg_index AS i
        JOIN pg_class AS x ON x.oid = i.indexrelid
        GROUP BY i.indrelid
    ) AS i ON i.indrelid = k.oid
    ORDER BY k.partitioned DESC, k.pages + coalesce(o.relpages, 0) + coalesce(i.pages, 0) DESC, k.oid
    LIMIT %(most)s
), measured AS MATERIALIZED (
    SELECT l.oid AS owner, l.oid, 'heap' AS part FROM listed AS l
    UNION ALL
    SELECT l.oid, l.reltoastrelid, 'toast' FROM listed AS l WHERE l.reltoastrelid <> 0
    UNION ALL
    SELECT l.oid, i.indexrelid, 'toast' FROM listed AS l JOIN pg_index AS i ON i.indrelid = nullif(l.reltoastrelid, 0)
    UNION ALL
    SELECT l.oid, i.indexrelid, 'index' FROM listed AS l JOIN pg_index AS i ON i.indrelid = l.oid
), sized AS MATERIALIZED (
    SELECT
        m.owner,
        sum(z.bytes) FILTER (WHERE m.part = 'heap') AS heap,
        sum(z.bytes) FILTER (WHERE m.part = 'toast') AS toast,
        sum(z.bytes) FILTER (WHERE m.part = 'index') AS indexes
    FROM measured AS m
    JOIN pg_class AS c ON c.oid = m.oid AND c.relkind IN ('r', 'm', 't', 'i')
    CROSS JOIN LATERAL (
        SELECT
            CASE
                WHEN c.oid IN (SELECT relation FROM locked)
                    THEN c.relpages::bigint * current_setting('block_size')::bigint
                ELSE pg_relation_size(c.oid) + pg_relation_size(c.oid, 'fsm') + pg_relation_size(c.oid, 'vm')
            END AS bytes
    ) AS z
    GROUP BY m.owner
), vacuuming AS MATERIALIZED (
    SELECT DISTINCT v.relid FROM pg_stat_progress_vacuum AS v WHERE v.datname = current_database()
)
SELECT
    c.oid::bigint AS oid,
    format('%%I.%%I', n.nspname, c.relname) AS name,
    c.relkind::text AS kind,
    CASE WHEN p.oid IS NULL THEN '' ELSE format('%%I.%%I', pn.nspname, p.relname) END AS parent,
    coalesce(z.heap, 0)::bigint AS heap_bytes,
    coalesce(z.toast, 0)::bigint AS toast_bytes,
    coalesce(z.indexes, 0)::bigint AS index_bytes,
    coalesce(c.oid IN (SELECT relation FROM locked), false) AS locked,
    -- What was counted begins anew with each reset, and a crash is one: until somebody has vacuumed or analyzed the
    -- table since, the planner's number is the better one.
    CASE
        WHEN coalesce(s.last_vacuum, s.last_autovacuum, s.last_analyze, s.last_autoanalyze) IS NOT NULL THEN s.n_live_tup
        ELSE greatest(s.n_live_tup, c.reltuples::bigint)
    END AS live_rows,
    s.n_dead_tup AS dead_rows,
    s.n_mod_since_analyze AS modified,
    s.n_ins_since_vacuum AS inserted,
    s.last_vacuum,
    s.last_autovacuum,
    s.last_analyze,
    s.last_autoanalyze,
    s.seq_scan AS seq_scans,
    s.seq_tup_read AS seq_rows,
    s.idx_scan AS index_scans,
    (s.n_tup_ins + s.n_tup_upd + s.n_tup_del) AS writes,
    (io.heap_blks_hit + coalesce(io.idx_blks_hit, 0) + coalesce(io.toast_blks_hit, 0))::bigint AS blocks_hit,
    (io.heap_blks_read + coalesce(io.idx_blks_read, 0) + coalesce(io.toast_blks_read, 0))::bigint AS blocks_read,
    -- A number may have any number of zeros before it.
    ARRAY(SELECT left(o, 200) FROM unnest(c.reloptions) AS o) AS options,
    nullif(c.reltuples, -1)::float8 AS planner_rows,
    c.relpages AS pages,
    NULL::int AS frozen_pages,
    age(nullif(c.relfrozenxid, '0'))::bigint AS xid_age,
    mxid_age(nullif(c.relminmxid, '0'))::bigint AS mxid_age,
    -- NULL for who may not see what others vacuum.
    coalesce(c.oid IN (SELECT relid FROM vacuuming), false) AS vacuuming,
    (SELECT count(*) FROM counted) AS total
FROM listed AS l
JOIN pg_class AS c ON c.oid = l.oid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_inherits AS h ON h.inhrelid = c.oid AND c.relispartition
LEFT JOIN pg_class AS p ON p.oid = h.inhparent
LEFT JOIN pg_namespace AS pn ON pn.oid = p.relnamespace
LEFT JOIN sized AS z ON z.owner = c.oid
-- One by one: joined, the view would be made of all tables.
LEFT JOIN LATERAL (SELECT v.* FROM pg_stat_all_tables AS v WHERE v.relid = c.oid OFFSET 0) AS s ON true
LEFT JOIN LATERAL (SELECT v.* FROM pg_statio_all_tables AS v WHERE v.relid = c.oid OFFSET 0) AS io ON true
ORDER BY
    (c.relkind = 'p') DESC, coalesce(z.heap, 0) + coalesce(z.toast, 0) + coalesce(z.indexes, 0) DESC, c.oid
