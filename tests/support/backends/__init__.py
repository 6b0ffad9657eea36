"""Backends without a model, or with an engine that fails."""
