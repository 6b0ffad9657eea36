"""Tokens in, tokens out: one thread runs many generations on one model.

`engine.py` is the loop: take commands → schedule → forward → sample → commit → deliver. `request.py`, `generation.py`
and `constraint.py` are the interface. Text, messages, HTTP and keys belong to other packages.
"""
