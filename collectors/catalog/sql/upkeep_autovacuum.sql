-- Autovacuum: its workers at work, how many tables of this database are over their threshold and wait for one, and
-- how many wait in vain because it is switched off for them.
-- since: 15
-- needs: pg_monitor
WITH tables AS (
    SELECT
        t.relid,
        c.relname,
        c.relnamespace,
        t.n_dead_tup AS dead,
        least(
            coalesce(o.threshold::float8, current_setting('autovacuum_vacuum_threshold')::float8)
            + coalesce(o.scale::float8, current_setting('autovacuum_vacuum_scale_factor')::float8)
            * greatest(c.reltuples, 0),
            -- Since 18; -1 switches it off.
            coalesce(nullif(nullif(current_setting('autovacuum_vacuum_max_threshold', true), ''), '-1')::float8, 'Infinity')
        ) AS threshold,
        age(c.relfrozenxid)::bigint AS age,
        least(o.freeze::bigint, current_setting('autovacuum_freeze_max_age')::bigint) AS freeze_max_age,
        coalesce(lower(o.enabled), 'true') IN ('false', 'off', 'no', '0') AS disabled
    FROM pg_stat_user_tables AS t
    JOIN pg_class AS c ON c.oid = t.relid
    -- Once for each table: a part of the query that is read for each option is quadratic in tables.
    LEFT JOIN LATERAL (
        SELECT
            max(p.option_value) FILTER (WHERE p.option_name = 'autovacuum_vacuum_threshold') AS threshold,
            max(p.option_value) FILTER (WHERE p.option_name = 'autovacuum_vacuum_scale_factor') AS scale,
            max(p.option_value) FILTER (WHERE p.option_name = 'autovacuum_freeze_max_age') AS freeze,
            max(p.option_value) FILTER (WHERE p.option_name = 'autovacuum_enabled') AS enabled
        FROM pg_options_to_table(c.reloptions) AS p
    ) AS o ON c.reloptions IS NOT NULL
    WHERE c.relkind IN ('r', 'm')
), worst AS (
    SELECT format('%%I.%%I', n.nspname, w.relname) AS name
    FROM tables AS w
    JOIN pg_namespace AS n ON n.oid = w.relnamespace
    WHERE w.disabled AND w.dead > w.threshold
    ORDER BY w.dead DESC, w.relid
    LIMIT 1
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
    coalesce((SELECT name FROM worst), '') AS disabled_worst,
    coalesce(max(dead) FILTER (WHERE disabled AND dead > threshold), 0)::bigint AS disabled_dead,
    current_setting('autovacuum_freeze_max_age')::bigint AS freeze_max_age
FROM tables
