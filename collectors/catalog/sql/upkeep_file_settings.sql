-- Settings in the configuration files with their mistakes; only for roles that were granted this view.
-- since: 15
SELECT
    coalesce(sourcefile, '') AS file,
    coalesce(sourceline, 0) AS line,
    coalesce(name, '') AS name,
    coalesce(setting, '') AS setting,
    coalesce(applied, false) AS applied,
    coalesce(error, '') AS error
FROM pg_file_settings
ORDER BY seqno
