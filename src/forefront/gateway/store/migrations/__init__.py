"""How the store's schema came to be, step by step. Steps are only ever added."""
