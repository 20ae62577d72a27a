-- Settings in the configuration files with their mistakes; only for roles that were granted this view.
-- since: 15
SELECT
    coalesce(sourcefile, '') AS file,
    coalesce(sourceline, 0) AS line,
    -- Octets: a file may hold what is no text in the encoding of this database, and at any length.
    coalesce(substring(textsend(name) FROM 1 FOR 200), '') AS name,
    coalesce(substring(textsend(setting) FROM 1 FOR 2000), '') AS setting,
    coalesce(applied, false) AS applied,
    coalesce(substring(textsend(error) FROM 1 FOR 2000), '') AS error,
    (SELECT pg_encoding_to_char(d.encoding)::text FROM pg_database AS d WHERE d.datname = current_database()) AS encoding
FROM pg_file_settings
ORDER BY seqno
