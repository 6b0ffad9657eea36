"""From events to responses: encoders, server-sent events, keep-alive comments."""
