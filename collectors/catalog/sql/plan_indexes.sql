-- The definitions of all indexes of some tables that have an expression or a condition.
-- since: 15
-- An expression may hold a text of any length.
SELECT CASE WHEN length(d) > 4000 THEN left(d, 4000) || ' ...' ELSE d END AS definition
FROM pg_index AS i
JOIN pg_class AS c ON c.oid = i.indrelid
CROSS JOIN LATERAL pg_get_indexdef(i.indexrelid) AS d
WHERE c.relname = ANY(%(names)s) AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL)
ORDER BY 1
LIMIT 1000
