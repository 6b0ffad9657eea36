"""Reservations, settlements, budgets, prices and usage reports."""
