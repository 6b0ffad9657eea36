"""The ledger: rows of completions, their sums, budgets, prices and usage reports."""
