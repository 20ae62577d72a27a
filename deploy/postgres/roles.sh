#!/bin/bash
# Runs once, when PostgreSQL's data folder is made: the database of Synaptic, its owner, and the roles of the exporter
# and of the console, which may only read statistics. Passwords are made by make_secrets.py and never part of a command line.
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
SQL
