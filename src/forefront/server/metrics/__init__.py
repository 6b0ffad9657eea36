"""The metrics in Prometheus' formats."""
