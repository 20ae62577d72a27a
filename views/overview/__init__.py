"""Overview: is Synaptic healthy, and if not, where and since when?"""
