"""Load: what kept the database busy, by wait and by statement?"""
