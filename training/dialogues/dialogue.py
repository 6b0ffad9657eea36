"""A dialogue to learn from, which is also a question with a program that judges any answer to it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Message = dict[str, Any]
Check = Callable[[str], bool]


@dataclass
class Dialogue:
    """Messages that end with a user or tool message, the answer to learn, and the judge of an answer.

    `check(text)` says whether the text is a right answer; the answer to learn passes it. `tools` are offered with the
    request, in the shape of the chat-completions API.
    """

    area: str
    messages: list[Message]
    answer: str
    check: Check
    tools: list[dict[str, Any]] = field(default_factory=list)

    @property
    def whole(self) -> list[Message]:
        """All messages, the answer last."""
        return [*self.messages, {"role": "assistant", "content": self.answer}]


def user(text: str) -> Message:
    """A message of the user."""
    return {"role": "user", "content": text}


def assistant(text: str) -> Message:
    """A message of the model."""
    return {"role": "assistant", "content": text}


def system(text: str) -> Message:
    """A system prompt."""
    return {"role": "system", "content": text}


def same(expected: str) -> Check:
    """The answer is exactly this, whitespace at the ends and a final full stop aside."""
    return lambda text: text.strip().rstrip(".") == expected.strip().rstrip(".")


def says(*parts: str) -> Check:
    """The answer holds each of `parts`, whatever their case."""
    wanted = [part.lower() for part in parts]
    return lambda text: all(part in text.lower() for part in wanted)
