"""Policy of the cluster: which replica gets a generation, and how many replicas a model has. No I/O, no Ray."""
