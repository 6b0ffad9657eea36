"""The chat-completions API and text completions: requests, messages, tools, responses, parsing, refused fields."""
