-- Which server it is, who the console is there, and what the console may read.
-- since: 15
SELECT
    current_setting('server_version_num')::int AS version,
    current_setting('server_version') AS version_text,
    pg_catalog.version() LIKE '%%Aurora%%' AS aurora,
    current_user::text AS role,
    current_database()::text AS database,
    pg_has_role(current_user, 'pg_monitor', 'USAGE') AS monitor,
    pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS read_all_stats,
    pg_is_in_recovery() AS standby,
    pg_postmaster_start_time() AS started_at,
    current_setting('max_connections')::int AS max_connections,
    current_setting('track_io_timing')::bool AS io_timing,
    -- The setting exists only where the library was loaded when the server started.
    current_setting('pg_stat_statements.max', true) IS NOT NULL AS statements_loaded,
    -- Sessions of roles for which it is off are in the state "disabled".
    current_setting('track_activities')::bool
    AND NOT EXISTS (SELECT FROM pg_stat_activity AS a WHERE a.state = 'disabled') AS activities,
    (
        SELECT coalesce(
            jsonb_object_agg(
                e.extname,
                jsonb_build_object('schema', n.nspname, 'usable', has_schema_privilege(n.oid, 'USAGE'))
            ),
            '{}'
        )
        FROM pg_extension AS e
        JOIN pg_namespace AS n ON n.oid = e.extnamespace
    ) AS extensions
