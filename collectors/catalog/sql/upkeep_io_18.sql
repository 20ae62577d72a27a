-- Which kind of process read and wrote how much, since the statistics were reset; WAL is left out.
-- since: 18
SELECT
    backend_type AS kind,
    sum(read_bytes)::bigint AS read_bytes,
    sum(write_bytes)::bigint AS written_bytes,
    sum(extend_bytes)::bigint AS extended_bytes,
    sum(evictions)::bigint AS evictions,
    sum(fsyncs)::bigint AS fsyncs,
    sum(read_time) AS read_milliseconds,
    sum(write_time) AS write_milliseconds,
    min(stats_reset) AS reset_at
FROM pg_stat_io
WHERE object <> 'wal'
GROUP BY backend_type
HAVING coalesce(sum(reads), 0) + coalesce(sum(writes), 0) + coalesce(sum(extends), 0) + coalesce(sum(fsyncs), 0) > 0
ORDER BY coalesce(sum(reads), 0) + coalesce(sum(writes), 0) DESC
