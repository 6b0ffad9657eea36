"""The `--chat-template` option: a replacement for the template of a model, from a file or the package."""

from pathlib import Path
from typing import Final

from forefront.catalog.sources.source import SourceError

_BUILT_IN: Final = Path(__file__).parents[1] / "templates"
# The longest templates of models have some 40 kB.
_LIMIT: Final = 2**20


def template_names() -> list[str]:
    """The names of the built-in templates."""
    return sorted(path.stem for path in _BUILT_IN.glob("*.jinja"))


def read_chat_template(given: str) -> str:
    """The template in the file `given`, or the built-in one of that name. Raises `SourceError`."""
    path = Path(given).expanduser()
    if not path.exists() and given in template_names():
        path = _BUILT_IN / f"{given}.jinja"
    try:
        if not path.is_file():
            raise SourceError(
                f"--chat-template {given}: there is no such file, nor a built-in template of that name; there are "
                f"{', '.join(template_names())}"
            )
        with path.open("rb") as file:
            data = file.read(_LIMIT + 1)
        if len(data) > _LIMIT:
            raise SourceError(f"--chat-template {given}: the file has more than {_LIMIT} bytes")
        text = data.decode()
    except OSError as error:
        raise SourceError(f"--chat-template {given} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SourceError(f"--chat-template {given}: the file is not UTF-8 text") from None
    if not text.strip():
        raise SourceError(f"--chat-template {given}: the file is empty")
    return text
