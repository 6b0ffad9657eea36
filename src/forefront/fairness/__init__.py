"""Fair division of shared resources among tenants: order of admission and amounts held."""
