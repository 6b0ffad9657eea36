"""HTTP: clients, retries, timeouts, response bodies."""
