"""Errors in a tokenizer's files."""

from collections.abc import Iterator
from contextlib import contextmanager


class TokenizerError(Exception):
    """The tokenizer of a model cannot be used; the message is one sentence with the reason."""


@contextmanager
def library_errors(sentence: str) -> Iterator[None]:
    """Turn exceptions of the library `tokenizers` into a `TokenizerError`: `sentence` and the library's message."""
    try:
        yield
    except TokenizerError:
        raise
    except BaseException as error:
        # The library raises bare exceptions, and for unexpected input one that is not an `Exception`.
        if isinstance(error, Exception) or type(error).__name__ == "PanicException":
            raise TokenizerError(f"{sentence}: {' '.join(str(error).split())[:200]}") from None
        raise
