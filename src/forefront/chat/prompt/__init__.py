"""From messages to prompt tokens: chat templates, control tokens, the context limit."""
