"""Model graphs with paged attention, built from the tensors of a GGUF file."""
