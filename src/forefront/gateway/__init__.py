"""Authentication, rate limits, budgets, admission and accounting of requests."""
