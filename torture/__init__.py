"""Load, faults and bad input, against real servers in processes of their own: what holds, and what it takes.

`python -m torture` runs every part; the test suite runs a small, fixed fraction of each.
"""
