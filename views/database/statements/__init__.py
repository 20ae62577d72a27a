"""Queries: which statements cost most, and which changed?"""
