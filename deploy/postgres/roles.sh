#!/bin/bash
# Runs once, when PostgreSQL's data folder is made: the database of Synaptic, its owner, and the roles of the exporter
# and of the console, which may read statistics. Passwords are made by make_secrets.py and never part of a command line.
set -euo pipefail

psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres <<'SQL'
\set synaptic_password `cat /secrets/database-password`
\set exporter_password `cat /secrets/exporter-password`
\set console_password `cat /secrets/console-password`
CREATE ROLE synaptic LOGIN PASSWORD :'synaptic_password';
CREATE ROLE postgres_exporter LOGIN PASSWORD :'exporter_password' IN ROLE pg_monitor;
CREATE ROLE console LOGIN PASSWORD :'console_password' IN ROLE pg_monitor;
CREATE DATABASE synaptic OWNER synaptic;
\connect synaptic
CREATE EXTENSION pg_stat_statements;

-- Optional: bloat is measured instead of estimated. Members of pg_monitor may execute what it brings.
CREATE EXTENSION pgstattuple;

-- Optional: plans of statements (EXPLAIN), which PostgreSQL shows only to who may read their tables, and how near sequences
-- are to their end. It opens more than statistics: with it the console's role can read every memory. The console never
-- does, but whoever has its password can. Leave these lines out, and only the plans are missing.
GRANT SELECT ON ALL TABLES IN SCHEMA public TO console;
GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO console;
ALTER DEFAULT PRIVILEGES FOR ROLE synaptic IN SCHEMA public GRANT SELECT ON TABLES TO console;
ALTER DEFAULT PRIVILEGES FOR ROLE synaptic IN SCHEMA public GRANT SELECT ON SEQUENCES TO console;
SQL
