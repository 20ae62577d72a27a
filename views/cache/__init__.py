"""Cache: does it serve, what does it hold, and what would a flush cost?"""
