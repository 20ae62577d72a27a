-- Autovacuum: its workers at work, how many tables of this database are over their threshold and wait for one, and
-- how many wait in vain because it is switched off for them.
-- since: 15
-- needs: pg_monitor
WITH options AS (
    SELECT c.oid, o.option_name AS name, o.option_value AS value
    FROM pg_class AS c CROSS JOIN LATERAL pg_options_to_table(c.reloptions) AS o
    WHERE c.reloptions IS NOT NULL AND c.relkind IN ('r', 'm')
), tables AS (
    SELECT
        t.relid,
        format('%%I.%%I', t.schemaname, t.relname) AS name,
        t.n_dead_tup AS dead,
        least(
            coalesce(
                (SELECT value::float8 FROM options AS o WHERE o.oid = t.relid AND name = 'autovacuum_vacuum_threshold'),
                current_setting('autovacuum_vacuum_threshold')::float8
            ) + coalesce(
                (SELECT value::float8 FROM options AS o
                 WHERE o.oid = t.relid AND name = 'autovacuum_vacuum_scale_factor'),
                current_setting('autovacuum_vacuum_scale_factor')::float8
            ) * greatest(c.reltuples, 0),
            -- Since 18; -1 switches it off.
            coalesce(nullif(nullif(current_setting('autovacuum_vacuum_max_threshold', true), ''), '-1')::float8, 'Infinity')
        ) AS threshold,
        age(c.relfrozenxid)::bigint AS age,
        least(
            (SELECT value::bigint FROM options AS o
             WHERE o.oid = t.relid AND name = 'autovacuum_freeze_max_age'),
            current_setting('autovacuum_freeze_max_age')::bigint
        ) AS freeze_max_age,
        coalesce(
            (SELECT lower(value) FROM options AS o WHERE o.oid = t.relid AND name = 'autovacuum_enabled'), 'true'
        ) IN ('false', 'off', 'no', '0') AS disabled
    FROM pg_stat_user_tables AS t JOIN pg_class AS c ON c.oid = t.relid
    WHERE c.relkind IN ('r', 'm')
)
SELECT
    current_setting('autovacuum')::bool AS enabled,
    current_setting('autovacuum_max_workers')::int AS most,
    (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'autovacuum worker') AS workers,
    count(*) FILTER (WHERE dead > threshold AND NOT disabled) AS over,
    coalesce(sum(dead) FILTER (WHERE dead > threshold AND NOT disabled), 0)::bigint AS dead,
    count(*) FILTER (WHERE age > freeze_max_age) AS old,
    count(*) FILTER (WHERE disabled) AS disabled,
    count(*) FILTER (WHERE disabled AND dead > threshold) AS disabled_over,
    coalesce((array_agg(name ORDER BY dead DESC) FILTER (WHERE disabled AND dead > threshold))[1], '') AS disabled_worst,
    coalesce(max(dead) FILTER (WHERE disabled AND dead > threshold), 0)::bigint AS disabled_dead,
    current_setting('autovacuum_freeze_max_age')::bigint AS freeze_max_age
FROM tables
