-- How much of a table is rows, dead rows and free, by reading those of its pages that are not all visible; nothing where it is bigger than may be read.
-- since: 15
-- needs: pg_monitor
-- extension: pgstattuple
SELECT
    pg_relation_size(c.oid) AS bytes,
    m.approx_tuple_len::bigint AS live_bytes,
    m.dead_tuple_len::bigint AS dead_bytes,
    m.approx_free_space::bigint AS free_bytes,
    m.scanned_percent::float8 AS scanned
FROM pg_class AS c
CROSS JOIN LATERAL {schema}.pgstattuple_approx(c.oid::regclass) AS m
WHERE c.oid = to_regclass(%(name)s) AND c.relkind IN ('r', 'm') AND pg_relation_size(c.oid) <= %(most)s
