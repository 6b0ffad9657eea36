"""A discrete-event model of routing and scaling: the real router, policy and KV blocks, with measured service times."""
