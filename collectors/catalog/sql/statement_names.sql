-- What databases and roles are called, by their number.
-- since: 15
SELECT 'database' AS kind, d.oid::bigint AS id, d.datname::text AS name FROM pg_database AS d
UNION ALL
SELECT 'user', r.oid::bigint, r.rolname::text FROM pg_roles AS r
