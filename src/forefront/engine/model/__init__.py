"""The compiled graph, its KV cache and its device."""
