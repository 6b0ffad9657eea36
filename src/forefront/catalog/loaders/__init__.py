"""From a file to a loaded model: one module for each kind of file and for each engine in its own process."""
