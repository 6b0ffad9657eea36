"""Which tokens run next: sequences, KV blocks, tenants, admission, prefill, drafts."""
