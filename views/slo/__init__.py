"""Objectives: what is promised, what is left of it, and how fast it is used up."""
