-- Locks that somebody waits for: who asks for each and who holds it, with the table that a row belongs to.
-- since: 15
WITH each AS MATERIALIZED (
    SELECT
        l.*,
        -- Which of the parts there are depends on the kind alone, so this names one object.
        concat_ws('/', l.locktype, l.database, l.relation, l.page, l.tuple, l.virtualxid, l.transactionid, l.classid,
            l.objid, l.objsubid) AS key
    FROM pg_locks AS l
),
waiting AS (
    SELECT key, pid FROM each WHERE NOT granted
)
SELECT
    e.pid,
    -- A prepared transaction has no process; among its locks is the one of its own number.
    CASE WHEN e.pid IS NULL THEN coalesce((
        SELECT p.transaction::text FROM each AS x JOIN pg_prepared_xacts AS p ON p.transaction = x.transactionid
        WHERE x.pid IS NULL AND x.locktype = 'transactionid' AND x.virtualtransaction = e.virtualtransaction
        LIMIT 1
    ), '') ELSE '' END AS prepared,
    e.key,
    e.locktype AS kind,
    e.mode,
    e.granted,
    e.waitstart AS wait_start,
    CASE
        WHEN e.relation IS NULL THEN ''
        WHEN c.oid IS NULL THEN 'relation ' || e.relation || coalesce(' of ' || d.datname, '')
        WHEN n.nspname = 'public' THEN c.relname::text
        ELSE n.nspname || '.' || c.relname
    END AS relation,
    CASE e.locktype
        WHEN 'transactionid' THEN e.transactionid::text
        WHEN 'virtualxid' THEN e.virtualxid
        WHEN 'tuple' THEN e.page || ',' || e.tuple
        WHEN 'advisory' THEN
            CASE e.objsubid WHEN 1 THEN (e.classid::bigint << 32 | e.objid::bigint)::text ELSE e.classid || ',' || e.objid END
        ELSE ''
    END AS object
FROM each AS e
LEFT JOIN pg_database AS d ON d.oid = e.database AND d.datname <> current_database()
LEFT JOIN pg_class AS c ON c.oid = e.relation AND d.oid IS NULL
LEFT JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE e.key IN (SELECT w.key FROM waiting AS w)
    -- Who waits for the transaction that changed a row holds the place in the row's queue, which names the table.
    OR (e.locktype = 'tuple' AND e.pid IN (SELECT w.pid FROM waiting AS w))
ORDER BY e.granted, e.waitstart NULLS LAST, e.pid
LIMIT 5000
