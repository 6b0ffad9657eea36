"""Load, faults and bad input, against real servers in their own processes: what holds, and what it takes.

`python -m torture` runs every part; the test suite runs a small, fixed fraction of each.
"""
