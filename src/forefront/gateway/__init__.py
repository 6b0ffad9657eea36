"""Who may ask. Keys are known by their hashes alone."""
