"""Text to token ids and back: byte pair encoding, SentencePiece, unigram and WordPiece, from GGUF metadata or files."""
