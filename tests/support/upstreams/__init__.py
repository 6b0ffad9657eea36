"""Upstream servers: faults, answers, and servers in front of them."""
