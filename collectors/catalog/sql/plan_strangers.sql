-- Schemas in which others than the roles that are trusted with plans have made functions or operators.
-- since: 15
WITH made AS (
    SELECT 'pg_proc'::regclass AS kind, p.oid, p.pronamespace AS schema, p.proowner AS owner FROM pg_proc AS p
    UNION ALL
    SELECT 'pg_operator'::regclass, o.oid, o.oprnamespace, o.oprowner FROM pg_operator AS o
)
SELECT DISTINCT n.nspname::text AS schema
FROM made AS m
JOIN pg_namespace AS n ON n.oid = m.schema
JOIN pg_roles AS r ON r.oid = m.owner
WHERE n.nspname = ANY(%(schemas)s)
    AND n.nspname <> 'pg_catalog'
    AND NOT r.rolsuper
    AND NOT r.rolname = ANY(%(roles)s)
    -- What an extension brings is as good as the extension.
    AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = m.kind AND d.objid = m.oid AND d.deptype = 'e')
ORDER BY 1
