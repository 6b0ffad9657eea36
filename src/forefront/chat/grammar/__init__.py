"""Structured output: grammars, their compilation, and constraints on sampled tokens."""
