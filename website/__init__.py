"""The documentation site: `python -m website` builds it from `docs/`, READMEs and docstrings."""
