"""The Responses API: its requests, read as chat requests, and its responses and stream events."""
