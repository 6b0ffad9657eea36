"""The choice of a replica: load, affinity, circuits and health checks."""
