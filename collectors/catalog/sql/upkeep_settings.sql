-- All settings as the console's session has them, with where each comes from and what changing it takes; of those that
-- the console has set in its session the value before that, of which PostgreSQL does not tell where it comes from.
-- since: 15
SELECT
    name,
    coalesce(CASE WHEN source = 'session' THEN reset_val ELSE setting END, '') AS setting,
    coalesce(unit, '') AS unit,
    vartype AS kind,
    context,
    CASE WHEN source <> 'session' THEN source WHEN reset_val = boot_val THEN 'default' ELSE 'unknown' END AS source,
    coalesce(boot_val, '') AS built_in,
    pending_restart
FROM pg_settings
WHERE context <> 'internal' OR name IN ('data_checksums', 'block_size', 'wal_segment_size', 'huge_pages_status')
ORDER BY name
