-- Who besides the roles that are trusted with plans could decide what a name means in some schemas: may create there, owns
-- the schema, or has made something in it.
-- since: 15
WITH trusted AS MATERIALIZED (
    SELECT r.oid
    FROM pg_roles AS r
    WHERE r.rolsuper
        OR r.rolname = ANY(%(roles)s)
        -- Its one member is the owner of the database, who may do there what he likes anyway.
        OR r.rolname = 'pg_database_owner'
        OR r.oid = (SELECT d.datdba FROM pg_database AS d WHERE d.datname = current_database())
), looked AS MATERIALIZED (
    SELECT n.oid, n.nspname, n.nspowner, n.nspacl FROM pg_namespace AS n WHERE n.nspname = ANY(%(schemas)s)
), found AS (
    SELECT l.nspname AS schema, 'create' AS deed, a.grantee AS who
    FROM looked AS l
    CROSS JOIN LATERAL aclexplode(coalesce(l.nspacl, acldefault('n', l.nspowner))) AS a
    WHERE a.privilege_type = 'CREATE'
    UNION
    -- An owner can give himself the right that he does not have now.
    SELECT l.nspname, 'own', l.nspowner FROM looked AS l
    UNION
    -- Objects of every kind that has an owner and a schema: relations, functions, operators, types, conversions, text
    -- search, statistics. Also those that belong to an extension: its owner may put into it what he has made. The extension
    -- itself is no such object: what a trusted one brings belongs to a superuser, whoever owns it.
    SELECT l.nspname, 'made', s.refobjid
    FROM looked AS l
    JOIN pg_depend AS d ON d.refclassid = 'pg_namespace'::regclass AND d.refobjid = l.oid
        AND d.classid <> 'pg_extension'::regclass
    JOIN pg_shdepend AS s
        ON s.dbid = (SELECT b.oid FROM pg_database AS b WHERE b.datname = current_database())
        AND s.classid = d.classid
        AND s.objid = d.objid
        AND s.objsubid = 0
        AND s.refclassid = 'pg_authid'::regclass
        AND s.deptype = 'o'
)
SELECT f.schema::text, f.deed, CASE WHEN f.who = 0 THEN '' ELSE coalesce(r.rolname::text, f.who::text) END AS role
FROM found AS f
LEFT JOIN pg_roles AS r ON r.oid = f.who
-- Who has the rights of a trusted role by being its member could replace what that role has made.
WHERE f.who = 0 OR NOT EXISTS (SELECT FROM trusted AS t WHERE pg_has_role(f.who, t.oid, 'USAGE'))
ORDER BY f.deed, f.schema, r.rolname
LIMIT 20
