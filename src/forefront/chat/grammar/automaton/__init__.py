"""Grammars as automata: the state of an answer, and the shortest completion."""
