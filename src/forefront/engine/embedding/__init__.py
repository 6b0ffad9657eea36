"""Embeddings: one forward pass over whole sequences, without sampling."""
