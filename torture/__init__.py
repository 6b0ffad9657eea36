"""Load, faults and bad input against real servers in their own processes.

`python -m torture` runs every part; the test suite runs a small, fixed fraction of each.
"""
