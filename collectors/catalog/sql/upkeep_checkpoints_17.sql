-- Checkpoints: how many came by the clock and how many because WAL had grown or somebody asked; since the reset.
-- since: 17
SELECT
    CASE WHEN pg_is_in_recovery() THEN restartpoints_timed ELSE num_timed END AS timed,
    CASE WHEN pg_is_in_recovery() THEN restartpoints_req ELSE num_requested END AS requested,
    write_time AS write_milliseconds,
    sync_time AS sync_milliseconds,
    buffers_written AS buffers,
    stats_reset AS reset_at,
    clock_timestamp() AS as_of
FROM pg_stat_checkpointer
