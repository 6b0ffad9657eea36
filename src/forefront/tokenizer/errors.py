"""What is wrong with a tokenizer's files."""


class TokenizerError(Exception):
    """The tokenizer of a model cannot be used; the text is one sentence that says why."""
