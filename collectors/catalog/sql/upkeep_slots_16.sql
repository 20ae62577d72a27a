-- Replication slots: who uses each, and how much WAL and which old rows it keeps the server from removing.
-- since: 16
SELECT
    s.slot_name::text AS name,
    s.slot_type AS kind,
    coalesce(s.plugin::text, '') AS plugin,
    coalesce(s.database::text, '') AS database,
    s.temporary,
    s.active,
    s.active_pid AS pid,
    pg_wal_lsn_diff(p.lsn, s.restart_lsn)::bigint AS retained,
    coalesce(s.wal_status, '') AS wal_status,
    s.safe_wal_size::bigint AS safe,
    greatest(age(s.xmin), age(s.catalog_xmin))::bigint AS horizon,
    NULL::timestamptz AS inactive_since,
    s.conflicting AS conflicting,
    '' AS invalid
FROM pg_replication_slots AS s
CROSS JOIN (
    SELECT CASE WHEN pg_is_in_recovery() THEN coalesce(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())
                ELSE pg_current_wal_lsn() END AS lsn
) AS p
ORDER BY retained DESC NULLS LAST, s.slot_name
