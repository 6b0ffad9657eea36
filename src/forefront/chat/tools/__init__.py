"""Tool calling: one class for each format in which models write calls."""
