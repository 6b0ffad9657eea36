"""Hugging Face directories: configuration and tensors under the names of GGUF."""
