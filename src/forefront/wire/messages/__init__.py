"""Anthropic's Messages API: its requests, read as chat requests, and its responses, stream events and errors."""
