"""`Idempotency-Key`: shared runs and replayed answers."""
