-- The definitions of all indexes of some tables that have an expression or a condition.
-- since: 15
SELECT pg_get_indexdef(i.indexrelid) AS definition
FROM pg_index AS i
JOIN pg_class AS c ON c.oid = i.indrelid
WHERE c.relname = ANY(%(names)s) AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL)
ORDER BY 1
