#!/bin/bash
# Runs once, when PostgreSQL's data folder is made: the database of Synaptic, its owner, and the roles of the exporter
# and of the console, which may read statistics. Passwords are made by make_secrets.py and never part of a command line.
set -euo pipefail

psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres <<'SQL'
\set synaptic_password `cat /secrets/database-password`
\set exporter_password `cat /secrets/exporter-password`
\set console_password `cat /secrets/console-password`
\set plans_password `cat /secrets/console-plans-password`
CREATE ROLE synaptic LOGIN PASSWORD :'synaptic_password';
CREATE ROLE postgres_exporter LOGIN PASSWORD :'exporter_password' IN ROLE pg_monitor;
CREATE ROLE console LOGIN PASSWORD :'console_password' IN ROLE pg_monitor;
CREATE DATABASE synaptic OWNER synaptic;
\connect synaptic
CREATE EXTENSION pg_stat_statements;

-- Optional: bloat is measured instead of estimated. Members of pg_monitor may execute what it brings.
CREATE EXTENSION pgstattuple;

-- Optional: how near sequences are to their end.
GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO console;
ALTER DEFAULT PRIVILEGES FOR ROLE synaptic IN SCHEMA public GRANT SELECT ON SEQUENCES TO console;

-- Optional: plans of statements (EXPLAIN), when somebody asks for one. PostgreSQL shows a plan only to who may read the
-- tables, and runs functions that are marked IMMUTABLE while it plans, as whoever asks. So a role of its own asks: it sees
-- no statements or sessions of others. It can read every memory, and so can whoever has its password. Leave these lines
-- and plan_roles in console.toml out, and only the plans are missing.
CREATE ROLE console_plans LOGIN PASSWORD :'plans_password' CONNECTION LIMIT 4;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO console_plans;
ALTER DEFAULT PRIVILEGES FOR ROLE synaptic IN SCHEMA public GRANT SELECT ON TABLES TO console_plans;
SQL
