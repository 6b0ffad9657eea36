"""The local backend: answers from the engine of this process."""
