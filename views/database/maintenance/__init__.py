"""Housekeeping: vacuum, write-ahead log, replication, settings."""
