"""What `forefront serve` wires together: the server with its models, logs, traces, reloads and warnings."""
