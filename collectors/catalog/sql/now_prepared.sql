-- Prepared transactions, which keep their locks without a session, the oldest first.
-- since: 15
SELECT
    p.transaction::text AS transaction,
    p.gid,
    p.owner::text AS owner,
    p.database::text AS database,
    p.prepared AS since,
    age(p.transaction)::bigint AS horizon,
    clock_timestamp() AS as_of
FROM pg_prepared_xacts AS p
ORDER BY p.prepared
LIMIT 200
