"""HTTP: routes, middleware, connections, server-sent events and error responses."""
