"""The routes of monitoring systems: health, readiness, metrics."""
