-- How much WAL was written, and how long writing and flushing it took; since the statistics were reset.
-- since: 15
SELECT
    CASE WHEN NOT pg_is_in_recovery() THEN pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0') END::bigint AS position,
    wal_bytes::bigint AS bytes,
    wal_fpi AS full_pages,
    wal_buffers_full AS buffers_full,
    wal_write_time AS write_milliseconds,
    wal_sync_time AS sync_milliseconds,
    stats_reset AS reset_at,
    clock_timestamp() AS as_of
FROM pg_stat_wal
