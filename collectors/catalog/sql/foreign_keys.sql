-- Foreign keys whose columns no index of their table begins with, those of the biggest tables first.
-- since: 15
SELECT
    format('%%I.%%I', n.nspname, c.relname) AS name,
    c.relkind = 'p' AS partitioned,
    k.conname::text AS "constraint",
    format('%%I.%%I', fn.nspname, f.relname) AS referenced,
    ARRAY(
        SELECT format('%%I', a.attname)
        FROM unnest(k.conkey) WITH ORDINALITY AS u (number, place)
        JOIN pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = u.number
        ORDER BY u.place
    ) AS columns,
    nullif(c.reltuples, -1)::float8 AS planner_rows
FROM pg_constraint AS k
JOIN pg_class AS c ON c.oid = k.conrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_class AS f ON f.oid = k.confrelid
JOIN pg_namespace AS fn ON fn.oid = f.relnamespace
WHERE k.contype = 'f'
    AND k.conparentid = 0
    AND NOT c.relispartition
    AND NOT EXISTS (
        SELECT
        FROM pg_index AS i
        WHERE i.indrelid = k.conrelid AND i.indpred IS NULL AND i.indisvalid
            -- The first keys of the index in any order; indkey counts from 0.
            AND (i.indkey::int2[])[0:cardinality(k.conkey) - 1] @> k.conkey
    )
ORDER BY c.relpages DESC, k.oid
LIMIT %(most)s
