-- What each statement has cost since it was first counted, without its text; one row a user, database and statement.
-- since: 18
-- needs: pg_read_all_stats
-- extension: pg_stat_statements
SELECT
    s.dbid::bigint AS database_id,
    s.userid::bigint AS user_id,
    s.queryid AS query_id,
    s.toplevel,
    s.calls,
    s.rows,
    s.shared_blks_hit AS blocks_hit,
    s.shared_blks_read AS blocks_read,
    s.shared_blks_dirtied AS blocks_dirtied,
    s.shared_blks_written AS blocks_written,
    s.temp_blks_read AS temp_read,
    s.temp_blks_written AS temp_written,
    s.wal_bytes::bigint AS wal_bytes,
    s.total_exec_time AS total_ms,
    s.total_plan_time AS plan_ms,
    s.shared_blk_read_time AS read_ms,
    s.shared_blk_write_time AS write_ms,
    s.wal_buffers_full,
    s.parallel_workers_to_launch AS parallel_planned,
    s.parallel_workers_launched AS parallel_launched,
    extract(epoch FROM s.stats_since)::float8 AS counted_since
FROM {schema}.pg_stat_statements(false) AS s
WHERE s.queryid IS NOT NULL
