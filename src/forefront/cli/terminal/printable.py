"""Escaping of text for terminals and logs."""

import json
import re

# Letters, digits and visible ASCII are printable and are most of any text.
_OTHER = re.compile(r"[^\w -~]")


def printable(text: str) -> str:
    """The text with a JSON escape for every character that is not printable.

    These are control characters, format characters such as bidirectional ones, line separators, surrogates, and private
    and unassigned characters. They could control a terminal, end a line, or display text in another order. Whitespace
    except the space is escaped too.
    """
    return text if text.isprintable() else _OTHER.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    return found[0] if found[0].isprintable() else json.dumps(found[0])[1:-1]
