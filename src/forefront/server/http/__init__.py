"""HTTP requests: bodies and their memory, headers, the request context, error responses."""
