-- All settings as the console's session has them, with where each comes from and what changing it takes; of those that
-- the console has set in its session the value before that, of which PostgreSQL does not tell where it comes from.
-- since: 15
SELECT
    name,
    -- Octets: what was set for the console's role in a database of another encoding is no text in this one. Whoever may
    -- set something there may do so at any length.
    coalesce(substring(textsend(CASE WHEN source = 'session' THEN reset_val ELSE setting END) FROM 1 FOR 2000), '')
        AS setting,
    (SELECT pg_encoding_to_char(d.encoding)::text FROM pg_database AS d WHERE d.datname = current_database()) AS encoding,
    coalesce(unit, '') AS unit,
    vartype AS kind,
    context,
    CASE WHEN source <> 'session' THEN source WHEN reset_val = boot_val THEN 'default' ELSE 'unknown' END AS source,
    coalesce(left(boot_val, 2000), '') AS built_in,
    pending_restart
FROM pg_settings
WHERE context <> 'internal' OR name IN ('data_checksums', 'block_size', 'wal_segment_size', 'huge_pages_status')
ORDER BY name
