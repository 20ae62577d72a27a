"""Latency: how fast are the operations, for whom not, and since when?"""
