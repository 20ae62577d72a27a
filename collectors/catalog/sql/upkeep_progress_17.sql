-- Work that reports its progress: vacuum, analyze, index builds, rewrites, COPY and base backups; done of total in a phase.
-- since: 17
-- needs: pg_monitor
WITH work AS (
    SELECT 'vacuum' AS kind, pid, datname, relid, phase,
        CASE phase WHEN 'scanning heap' THEN heap_blks_scanned WHEN 'vacuuming heap' THEN heap_blks_vacuumed
                   WHEN 'vacuuming indexes' THEN indexes_processed
                   WHEN 'cleaning up indexes' THEN indexes_processed END AS done,
        CASE WHEN phase IN ('scanning heap', 'vacuuming heap') THEN heap_blks_total
             WHEN phase IN ('vacuuming indexes', 'cleaning up indexes') THEN indexes_total END AS total,
        CASE WHEN strpos(phase, 'indexes') > 0 THEN 'indexes' ELSE 'blocks' END AS unit, NULL::int AS locker
    FROM pg_stat_progress_vacuum
    UNION ALL
    SELECT lower(command), pid, datname, relid, phase,
        CASE WHEN starts_with(phase, 'waiting') THEN lockers_done
             WHEN strpos(phase, 'tuples') > 0 THEN tuples_done ELSE blocks_done END,
        CASE WHEN starts_with(phase, 'waiting') THEN lockers_total
             WHEN strpos(phase, 'tuples') > 0 THEN tuples_total ELSE blocks_total END,
        CASE WHEN starts_with(phase, 'waiting') THEN 'transactions'
             WHEN strpos(phase, 'tuples') > 0 THEN 'rows' ELSE 'blocks' END,
        nullif(current_locker_pid, 0)::int
    FROM pg_stat_progress_create_index
    UNION ALL
    SELECT 'analyze', pid, datname, relid, phase,
        CASE WHEN strpos(phase, 'extended') > 0 THEN ext_stats_computed ELSE sample_blks_scanned END,
        CASE WHEN strpos(phase, 'extended') > 0 THEN ext_stats_total ELSE sample_blks_total END,
        CASE WHEN strpos(phase, 'extended') > 0 THEN 'statistics' ELSE 'blocks' END, NULL
    FROM pg_stat_progress_analyze
    UNION ALL
    SELECT lower(command), pid, datname, relid, phase,
        CASE phase WHEN 'seq scanning heap' THEN heap_blks_scanned END,
        CASE phase WHEN 'seq scanning heap' THEN heap_blks_total END, 'blocks', NULL
    FROM pg_stat_progress_cluster
    UNION ALL
    SELECT lower(command), pid, datname, relid, lower(type), bytes_processed, bytes_total, 'bytes', NULL
    FROM pg_stat_progress_copy
    UNION ALL
    SELECT 'base backup', pid, NULL, NULL, phase, backup_streamed, backup_total, 'bytes', NULL
    FROM pg_stat_progress_basebackup
)
SELECT
    w.kind,
    w.pid,
    coalesce(w.datname::text, '') AS database,
    coalesce(
        (
            SELECT format('%%I.%%I', n.nspname, c.relname)
            FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
            WHERE c.oid = w.relid AND w.datname = current_database()
        ),
        nullif(w.relid, 0)::text, ''
    ) AS relation,
    w.phase,
    w.done::bigint,
    nullif(w.total, 0)::bigint AS total,
    w.unit,
    w.locker,
    coalesce(a.query_start, a.xact_start, a.backend_start) AS since,
    coalesce(a.usename::text, '') AS "user",
    coalesce(a.backend_type, '') = 'autovacuum worker' AS automatic,
    coalesce(position('to prevent wraparound'::bytea IN textsend(a.query)) > 0, false) AS wraparound,
    coalesce(a.wait_event_type, '') AS wait_type,
    coalesce(a.wait_event, '') AS wait_event,
    clock_timestamp() AS as_of
FROM work AS w LEFT JOIN pg_stat_activity AS a USING (pid)
ORDER BY since, w.pid
