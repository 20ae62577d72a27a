"""Logs: which lines, how many, which patterns, and what is new among them?"""
