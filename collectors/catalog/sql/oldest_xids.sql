-- The tables that are farthest behind in freezing, measured by their own limit, those of the catalogue and TOAST included.
-- since: 15
WITH found AS (
    SELECT
        c.oid,
        format('%%I.%%I', n.nspname, coalesce(o.relname, c.relname)) AS name,
        c.relkind = 't' AS toast,
        age(c.relfrozenxid)::bigint AS xid_age,
        mxid_age(c.relminmxid)::bigint AS mxid_age,
        -- A number may have any number of zeros before it.
        ARRAY(SELECT left(p, 200) FROM unnest(coalesce(o.reloptions, c.reloptions)) AS p) AS options,
        c.relpages::bigint * current_setting('block_size')::bigint AS bytes
    FROM pg_class AS c
    LEFT JOIN pg_class AS o ON c.relkind = 't' AND o.reltoastrelid = c.oid
    JOIN pg_namespace AS n ON n.oid = coalesce(o.relnamespace, c.relnamespace)
    WHERE c.relkind IN ('r', 'm', 't') AND c.relfrozenxid <> '0'
)
SELECT f.name, f.toast, f.xid_age, f.mxid_age, f.options, f.bytes
FROM found AS f
ORDER BY
    f.xid_age::float8 / least(
        current_setting('autovacuum_freeze_max_age')::bigint,
        substring(array_to_string(f.options, ' ') FROM 'autovacuum_freeze_max_age=([0-9]+)')::bigint
    ) DESC,
    f.oid
LIMIT %(most)s
