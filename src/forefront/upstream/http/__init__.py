"""HTTP requests to upstreams: pooled connections, responses, event streams within bounds."""
