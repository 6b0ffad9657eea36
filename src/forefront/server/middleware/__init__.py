"""The wrappers of every request: request id, authentication, error responses, the fast route."""
