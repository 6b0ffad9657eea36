"""Measurements of the server: latencies, counts and traces of requests."""
