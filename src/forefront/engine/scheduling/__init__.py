"""The choice of the tokens of the next step: sequences, KV blocks, tenants, admission, prefill, drafts."""
