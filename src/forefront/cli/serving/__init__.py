"""The parts of `forefront serve`: the server with its models, logs, traces, reloads and warnings."""
