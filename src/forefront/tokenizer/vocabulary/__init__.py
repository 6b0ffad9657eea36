"""The vocabulary of a tokenizer: its tokens, their bytes, its control tokens, its merges."""
