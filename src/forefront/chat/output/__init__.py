"""From tokens to text: detokenizer, stop strings, reasoning, tool calls."""
