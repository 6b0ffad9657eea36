"""Model files from elsewhere: the Hugging Face hub, package indexes and plain URLs."""
