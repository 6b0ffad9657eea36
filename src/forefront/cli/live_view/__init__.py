"""The live view of a running server, for `forefront top`."""
