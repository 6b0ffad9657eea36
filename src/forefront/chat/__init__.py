"""Messages in, text out: templates, tokens, stop strings. Packages above this one are independent of the engine."""
