-- Each table with size, rows, upkeep and use, partitioned tables first and then the biggest; of one that is locked against everybody the size is the planner's.
-- since: 15
WITH locked AS MATERIALIZED (
    -- pg_relation_size would wait for these, behind whoever waits already.
    SELECT DISTINCT l.relation
    FROM pg_locks AS l
    JOIN pg_database AS d ON d.oid = l.database AND d.datname = current_database()
    WHERE l.mode = 'AccessExclusiveLock' AND l.relation IS NOT NULL
), sized AS MATERIALIZED (
    SELECT
        c.oid,
        CASE
            WHEN c.oid IN (SELECT relation FROM locked) THEN c.relpages::bigint * current_setting('block_size')::bigint
            ELSE pg_relation_size(c.oid) + pg_relation_size(c.oid, 'fsm') + pg_relation_size(c.oid, 'vm')
        END AS bytes
    FROM pg_class AS c
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'm', 't', 'i') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
), indexed AS MATERIALIZED (
    SELECT i.indrelid, sum(s.bytes)::bigint AS bytes, count(*) AS indexes
    FROM pg_index AS i
    JOIN sized AS s ON s.oid = i.indexrelid
    GROUP BY i.indrelid
), vacuuming AS MATERIALIZED (
    SELECT DISTINCT v.relid FROM pg_stat_progress_vacuum AS v WHERE v.datname = current_database()
)
SELECT
    c.oid::bigint AS oid,
    format('%%I.%%I', n.nspname, c.relname) AS name,
    c.relkind::text AS kind,
    CASE WHEN p.oid IS NULL THEN '' ELSE format('%%I.%%I', pn.nspname, p.relname) END AS parent,
    coalesce(heap.bytes, 0)::bigint AS heap_bytes,
    (coalesce(toast.bytes, 0) + coalesce(toast_indexes.bytes, 0))::bigint AS toast_bytes,
    coalesce(indexed.bytes, 0)::bigint AS index_bytes,
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
    coalesce(c.reloptions, '{}') AS options,
    nullif(c.reltuples, -1)::float8 AS planner_rows,
    c.relpages AS pages,
    NULL::int AS frozen_pages,
    age(nullif(c.relfrozenxid, '0'))::bigint AS xid_age,
    mxid_age(nullif(c.relminmxid, '0'))::bigint AS mxid_age,
    -- NULL for who may not see what others vacuum.
    coalesce(c.oid IN (SELECT relid FROM vacuuming), false) AS vacuuming,
    count(*) OVER () AS total
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_inherits AS h ON h.inhrelid = c.oid AND c.relispartition
LEFT JOIN pg_class AS p ON p.oid = h.inhparent
LEFT JOIN pg_namespace AS pn ON pn.oid = p.relnamespace
LEFT JOIN sized AS heap ON heap.oid = c.oid
LEFT JOIN sized AS toast ON toast.oid = nullif(c.reltoastrelid, 0)
LEFT JOIN indexed AS toast_indexes ON toast_indexes.indrelid = nullif(c.reltoastrelid, 0)
LEFT JOIN indexed ON indexed.indrelid = c.oid
LEFT JOIN pg_stat_all_tables AS s ON s.relid = c.oid
LEFT JOIN pg_statio_all_tables AS io ON io.relid = c.oid
WHERE c.relkind IN ('r', 'm', 'p')
    AND c.relpersistence <> 't'
    AND n.nspname NOT IN ('pg_catalog', 'information_schema')
ORDER BY
    (c.relkind = 'p') DESC,
    coalesce(heap.bytes, 0) + coalesce(toast.bytes, 0) + coalesce(indexed.bytes, 0) DESC,
    c.oid
LIMIT %(most)s
