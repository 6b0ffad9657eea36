"""Alembic migrations of the store's schema. A released step is never changed; a new step follows it."""
