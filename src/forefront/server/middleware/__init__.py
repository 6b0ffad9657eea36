"""What wraps every request: request id, authentication, error responses, the fast route."""
