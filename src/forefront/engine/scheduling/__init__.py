"""Which tokens run next: sequences, KV blocks, tenants."""
