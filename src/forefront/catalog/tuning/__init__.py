"""The fastest options of computation for a model on this machine: measured once, then read."""
