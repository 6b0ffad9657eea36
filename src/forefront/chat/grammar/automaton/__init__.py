"""Grammars as automata: where an answer stands, and the shortest way to its end."""
