"""Sources of drafts: repetition of earlier text, tokens that a grammar forces, a smaller model."""
