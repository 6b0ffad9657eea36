"""GGUF files: header, metadata and tensors."""
