-- Size of the WAL folder, and how many finished files wait for the archive.
-- since: 15
-- needs: pg_monitor
SELECT
    (SELECT count(*) FROM pg_ls_waldir()) AS files,
    (SELECT coalesce(sum(size), 0) FROM pg_ls_waldir())::bigint AS bytes,
    (SELECT count(*) FROM pg_ls_archive_statusdir() WHERE right(name, 6) = '.ready') AS waiting
