"""HTTP: sending, retries, timeouts, streaming bodies."""
