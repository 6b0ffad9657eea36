"""HTTP/1.1 connections: TLS, framing rules, limits, timeouts, the order of writes and closing."""
