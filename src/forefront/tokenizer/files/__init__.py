"""Tokenizers from files: GGUF metadata, `tokenizer.json`, `tokenizer.model`, `tekken.json`, OpenVINO's graphs."""
