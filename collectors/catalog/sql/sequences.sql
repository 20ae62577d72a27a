-- Sequences with their last value, their own limits and the type of the column that they fill, the one nearest its end first.
-- since: 15
WITH counted AS MATERIALIZED (
    SELECT q.seqrelid, d.refobjid, d.refobjsubid, t.reltuples, q.seqmax
    FROM pg_sequence AS q
    JOIN pg_class AS c ON c.oid = q.seqrelid AND c.relpersistence <> 't'
    LEFT JOIN pg_depend AS d
        ON d.objid = c.oid AND d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
        AND d.deptype IN ('a', 'i') AND d.refobjsubid > 0
    LEFT JOIN pg_class AS t ON t.oid = d.refobjid
), listed AS MATERIALIZED (
    -- To know its last value a sequence is opened. Of thousands these are: those that fill no column, and those whose
    -- tables have the most rows by what they may count to.
    SELECT k.seqrelid, k.refobjid, k.refobjsubid
    FROM counted AS k
    ORDER BY
        k.refobjid IS NULL DESC,
        greatest(k.reltuples, pg_stat_get_live_tuples(k.refobjid)) / greatest(k.seqmax::float8, 1) DESC NULLS LAST,
        k.seqrelid
    LIMIT 1000
), found AS (
    SELECT
        c.oid,
        format('%%I.%%I', n.nspname, c.relname) AS name,
        -- Without the right to read it the last value is not known.
        CASE WHEN has_sequence_privilege(c.oid, 'SELECT,USAGE') THEN pg_sequence_last_value(c.oid) END AS last_value,
        has_sequence_privilege(c.oid, 'SELECT,USAGE') AS readable,
        format('%%I', n.nspname) AS schema,
        q.seqstart AS start_value,
        q.seqmin AS least,
        q.seqmax AS most,
        q.seqincrement AS increment,
        q.seqcycle AS cycles,
        format_type(q.seqtypid, NULL) AS type,
        CASE WHEN t.oid IS NULL THEN '' ELSE format('%%I.%%I', tn.nspname, t.relname) END AS "table",
        CASE WHEN a.attname IS NULL THEN '' ELSE format('%%I', a.attname) END AS "column",
        CASE WHEN a.attname IS NULL THEN '' ELSE format_type(a.atttypid, a.atttypmod) END AS column_type,
        coalesce(a.attidentity, '') <> '' AS identity
    FROM listed AS d
    JOIN pg_sequence AS q ON q.seqrelid = d.seqrelid
    JOIN pg_class AS c ON c.oid = q.seqrelid
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    LEFT JOIN pg_class AS t ON t.oid = d.refobjid
    LEFT JOIN pg_namespace AS tn ON tn.oid = t.relnamespace
    LEFT JOIN pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
)
SELECT f.*, (SELECT count(*) FROM counted) AS total
FROM found AS f
ORDER BY
    CASE
        WHEN f.increment > 0 THEN f.last_value::float8 / nullif(f.most, 0)
        ELSE f.last_value::float8 / nullif(f.least, 0)
    END DESC NULLS LAST,
    f.oid
LIMIT %(most)s
