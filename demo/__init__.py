"""The demo: a whole Synaptic installation on one machine, real where it can be."""
