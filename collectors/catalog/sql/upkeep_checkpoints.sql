-- Checkpoints: how many came by the clock and how many because WAL had grown or somebody asked; since the reset.
-- since: 15
SELECT
    checkpoints_timed AS timed,
    checkpoints_req AS requested,
    checkpoint_write_time AS write_milliseconds,
    checkpoint_sync_time AS sync_milliseconds,
    buffers_checkpoint AS buffers,
    stats_reset AS reset_at,
    clock_timestamp() AS as_of
FROM pg_stat_bgwriter
