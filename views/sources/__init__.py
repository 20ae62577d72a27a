"""Sources: does everything that the console asks answer, and as it should?"""
