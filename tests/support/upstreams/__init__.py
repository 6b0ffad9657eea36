"""Upstream servers: faults, answers, and servers before them."""
