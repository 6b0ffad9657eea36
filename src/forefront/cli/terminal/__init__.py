"""Output on a terminal: tables, progress, JSON, escaping."""
