"""Tool calling: detection of a model's format, the grammar of calls, and their parser."""
