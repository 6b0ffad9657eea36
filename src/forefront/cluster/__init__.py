"""A model on several machines: engine replicas on Ray Serve, and the remote engine that reaches them."""
