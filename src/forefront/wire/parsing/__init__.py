"""Strict parsing that all APIs share: JSON, validation errors, names of fields."""
