-- Whether the console may look at the configuration files for mistakes and for what is not in force.
-- since: 15
SELECT
    has_table_privilege('pg_catalog.pg_file_settings', 'SELECT')
    AND has_function_privilege('pg_catalog.pg_show_all_file_settings()', 'EXECUTE') AS allowed
