"""Which replicas run: a child process follows Ray for the server."""
