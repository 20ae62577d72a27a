-- The standby's own side of replication: whether WAL arrives, and how far behind it is applied.
-- since: 15
-- needs: pg_monitor
SELECT
    pg_is_in_recovery() AS standby,
    coalesce(r.status, '') AS status,
    coalesce(r.sender_host, '') AS sender,
    r.sender_port AS port,
    coalesce(r.slot_name, '') AS slot,
    r.last_msg_receipt_time AS heard,
    pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())::bigint AS behind,
    CASE WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
         ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) END::float8 AS seconds,
    pg_last_xact_replay_timestamp() AS replayed,
    CASE WHEN pg_is_in_recovery() THEN pg_get_wal_replay_pause_state() ELSE '' END AS pause
FROM (VALUES (1)) AS one (row) LEFT JOIN pg_stat_wal_receiver AS r ON true
