-- Since when statements are counted, how often entries were thrown out, and what is not counted at all.
-- since: 15
-- extension: pg_stat_statements
SELECT
    i.stats_reset,
    i.dealloc,
    clock_timestamp() AS as_of,
    pg_postmaster_start_time() AS started_at,
    coalesce(current_setting('pg_stat_statements.max', true), '0')::int AS most,
    coalesce(current_setting('pg_stat_statements.track', true), '') AS track,
    coalesce(current_setting('pg_stat_statements.track_planning', true), 'off') = 'on' AS track_planning,
    current_setting('track_io_timing') = 'on' AS track_io_timing
FROM {schema}.pg_stat_statements_info AS i
