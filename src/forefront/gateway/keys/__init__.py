"""API keys and projects: hashing, storage, the cache of a running server."""
