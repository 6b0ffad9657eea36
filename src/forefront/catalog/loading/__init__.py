"""Loading on demand: the states of a model, the queue of loads, and the choice of models to unload."""
