"""Database: who waits for whom, what got slower, what will break next, and what would mend it?"""
