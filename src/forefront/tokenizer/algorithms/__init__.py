"""Algorithms of tokenisation: byte pair encoding, SentencePiece, unigram and WordPiece, with the steps before them."""
