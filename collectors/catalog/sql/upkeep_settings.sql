-- All settings as the console's own session has them, with where each comes from and what changing it takes.
-- since: 15
SELECT
    name,
    coalesce(setting, '') AS setting,
    coalesce(unit, '') AS unit,
    vartype AS kind,
    context,
    source,
    coalesce(boot_val, '') AS built_in,
    pending_restart
FROM pg_settings
WHERE context <> 'internal' OR name IN ('data_checksums', 'block_size', 'wal_segment_size', 'huge_pages_status')
ORDER BY name
