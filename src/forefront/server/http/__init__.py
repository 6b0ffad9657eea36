"""HTTP connections: parsing, framing rules, bodies, connection limits, timeouts."""
