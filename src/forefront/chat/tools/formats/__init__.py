"""One module for each format of tool calls."""
