-- The tables that are farthest behind in freezing, those of the catalogue and TOAST included, the oldest first.
-- since: 15
SELECT
    format('%%I.%%I', n.nspname, coalesce(o.relname, c.relname)) AS name,
    c.relkind = 't' AS toast,
    age(c.relfrozenxid)::bigint AS xid_age,
    mxid_age(c.relminmxid)::bigint AS mxid_age,
    coalesce(o.reloptions, c.reloptions, '{}') AS options,
    c.relpages::bigint * current_setting('block_size')::bigint AS bytes
FROM pg_class AS c
LEFT JOIN pg_class AS o ON c.relkind = 't' AND o.reltoastrelid = c.oid
JOIN pg_namespace AS n ON n.oid = coalesce(o.relnamespace, c.relnamespace)
WHERE c.relkind IN ('r', 'm', 't') AND c.relfrozenxid <> '0'
ORDER BY age(c.relfrozenxid) DESC, c.oid
LIMIT %(most)s
