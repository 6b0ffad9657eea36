"""Messages in, text out: templates, tokens, stop strings. Above this room nobody knows which engine answers."""
