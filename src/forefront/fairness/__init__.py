"""Division of scarce resources among tenants: whose turn it is, and how much each may hold."""
