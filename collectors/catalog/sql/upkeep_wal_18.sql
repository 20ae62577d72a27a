-- How much WAL was written, and how long writing and flushing it took; since the statistics were reset.
-- since: 18
SELECT
    CASE WHEN NOT pg_is_in_recovery() THEN pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0') END::bigint AS position,
    w.wal_bytes::bigint AS bytes,
    w.wal_fpi AS full_pages,
    w.wal_buffers_full AS buffers_full,
    io.write_milliseconds,
    io.sync_milliseconds,
    w.stats_reset AS reset_at,
    clock_timestamp() AS as_of
FROM pg_stat_wal AS w
CROSS JOIN (
    SELECT sum(write_time) AS write_milliseconds, sum(fsync_time) AS sync_milliseconds
    FROM pg_stat_io WHERE object = 'wal'
) AS io
