"""Tables and indexes: how large, how they grow, and what is superfluous?"""
