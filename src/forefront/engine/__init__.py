"""Tokens in, tokens out: one thread drives one model, many generations at once.

`engine.py` is the loop (take commands → schedule → run → sample → deliver); every other file is one noun of it.
Nothing here knows of text, messages, HTTP or keys.
"""
