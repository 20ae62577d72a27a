-- Whether finished WAL files reach the archive: what was archived last, what failed last.
-- since: 15
SELECT
    current_setting('archive_mode') AS mode,
    archived_count AS archived,
    coalesce(last_archived_wal, '') AS last_archived,
    last_archived_time AS archived_at,
    failed_count AS failed,
    coalesce(last_failed_wal, '') AS last_failed,
    last_failed_time AS failed_at,
    stats_reset AS reset_at,
    clock_timestamp() AS as_of
FROM pg_stat_archiver
