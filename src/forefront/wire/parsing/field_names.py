"""Names of request fields in errors: an internal request has other field names than the API that it came through."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from forefront.wire.errors import RequestError

# From the path of a field of the internal request to its path in the client's request.
FieldName = Callable[[str], str]
_QUOTED: Final = re.compile(r"`([^`]{1,200})`")


def same_name(path: str) -> str:
    """The name of an API whose requests are the internal ones."""
    return path


@contextmanager
def renamed_fields(name: FieldName) -> Iterator[None]:
    """A context whose `RequestError`s get the field names of the client's API."""
    try:
        yield
    except RequestError as error:
        rename_fields(error, name)
        raise


def rename_fields(error: RequestError, name: FieldName) -> None:
    """Translate the field of an error, in `param` and where the message has it between backticks."""
    if name is same_name:
        return
    if error.param is not None:
        error.param = name(error.param)
    error.message = _QUOTED.sub(lambda match: f"`{name(match[1])}`", error.message)
