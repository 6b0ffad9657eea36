"""API keys and projects: hashing, storage, and the key cache of a running server."""
