"""Models on several machines: replicas of the engine on Ray Serve, and the engine that reaches them from a server."""
