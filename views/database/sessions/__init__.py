"""Now: who is connected, who waits for whom, and since when?"""
