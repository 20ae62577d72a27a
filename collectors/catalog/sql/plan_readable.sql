-- Whether a role may read a table.
-- since: 15
SELECT has_table_privilege(%(role)s, c.oid, 'SELECT') AS may_read
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relname = %(name)s AND has_schema_privilege(%(role)s, n.oid, 'USAGE')
