"""Requests on replicas: where each one runs, and where it continues after a loss."""
