-- How full the leaf pages of a B-tree index are, by reading all of it; nothing where it is bigger than may be read.
-- since: 15
-- needs: pg_monitor
-- extension: pgstattuple
SELECT
    format('%%I.%%I', n.nspname, c.relname) AS name,
    pg_relation_size(c.oid) AS bytes,
    nullif(m.avg_leaf_density, 'NaN')::float8 AS density,
    nullif(m.leaf_fragmentation, 'NaN')::float8 AS fragmentation
FROM pg_index AS i
JOIN pg_class AS c ON c.oid = i.indexrelid AND c.relkind = 'i'
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_am AS a ON a.oid = c.relam AND a.amname = 'btree'
CROSS JOIN LATERAL {schema}.pgstatindex(c.oid::regclass) AS m
WHERE i.indrelid = to_regclass(%(name)s) AND i.indisvalid AND pg_relation_size(c.oid) <= %(most)s
ORDER BY c.oid
LIMIT 50
