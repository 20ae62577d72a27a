-- Standbys that are connected to this server: how far behind each is, in bytes of WAL and in seconds.
-- since: 15
-- needs: pg_monitor
SELECT
    r.pid,
    coalesce(nullif(r.application_name, ''), 'without a name') AS name,
    coalesce(host(r.client_addr), '') AS client,
    coalesce(r.state, '') AS state,
    coalesce(r.sync_state, '') AS sync,
    coalesce(s.slot_name::text, '') AS slot,
    pg_wal_lsn_diff(p.lsn, r.sent_lsn)::bigint AS unsent,
    pg_wal_lsn_diff(p.lsn, r.replay_lsn)::bigint AS behind,
    extract(epoch FROM r.write_lag)::float8 AS write_seconds,
    extract(epoch FROM r.flush_lag)::float8 AS flush_seconds,
    extract(epoch FROM r.replay_lag)::float8 AS replay_seconds,
    r.backend_start AS since,
    r.reply_time AS heard
FROM pg_stat_replication AS r
LEFT JOIN pg_replication_slots AS s ON s.active_pid = r.pid
CROSS JOIN (
    SELECT CASE WHEN pg_is_in_recovery() THEN coalesce(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())
                ELSE pg_current_wal_lsn() END AS lsn
) AS p
ORDER BY behind DESC NULLS LAST, r.pid
