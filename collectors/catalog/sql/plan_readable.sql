-- Whether the console's role may read a table.
-- since: 15
SELECT has_table_privilege(c.oid, 'SELECT') AS may_read
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relname = %(name)s AND has_schema_privilege(n.oid, 'USAGE')
