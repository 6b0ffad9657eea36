"""Messages between servers and replicas, and their authentication."""
