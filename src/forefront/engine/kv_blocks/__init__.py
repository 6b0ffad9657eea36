"""KV blocks: the pool of all blocks, and the table of those of one sequence."""
