"""The cases of the contract, read; README.md beside this file has the format."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "cases"


@dataclass(frozen=True)
class Case:
    """One case; `id` names its file and it."""

    id: str
    content: dict[str, Any]

    @property
    def call(self) -> tuple[str, dict[str, Any]]:
        """The method and its arguments."""
        call = self.content["call"]
        return call["method"], call["arguments"]

    @property
    def exchanges(self) -> list[dict[str, Any]]:
        """Every one with its own `request`."""
        exchanges: list[dict[str, Any]] = self.content["exchanges"]
        return [exchanges[0] | exchange for exchange in exchanges]

    @property
    def expect(self) -> dict[str, Any]:
        """What the program gets."""
        expected: dict[str, Any] = self.content["expect"]
        return expected

    @property
    def streams(self) -> bool:
        """Whether a stream is requested."""
        return bool(self.call[1].get("stream"))


def load() -> list[Case]:
    """Every case of every file."""
    return [
        Case(f"{path.stem}: {content['name']}", content)
        for path in sorted(FOLDER.glob("*.json"))
        for content in json.loads(path.read_text())["cases"]
    ]


def body_of(answer: dict[str, Any]) -> bytes:
    """The bytes of an answer's body."""
    if "json" in answer:
        return json.dumps(answer["json"], ensure_ascii=False).encode()
    text = answer.get("text", "")
    return ("".join(text) if isinstance(text, list) else text).encode()


def holds(expected: Any, actual: Any, path: str = "$") -> str | None:
    """Where `actual` is not as expected; None when it is. Expected objects are subsets, null may be absent."""
    if isinstance(expected, dict):
        if not isinstance(actual, dict):
            return f"{path}: {actual!r} is no object"
        parts = ((value, actual.get(name), f"{path}.{name}") for name, value in expected.items())
    elif isinstance(expected, list):
        if not isinstance(actual, list) or len(actual) != len(expected):
            return f"{path}: {actual!r} is no list of {len(expected)}"
        parts = ((value, actual[index], f"{path}[{index}]") for index, value in enumerate(expected))
    else:
        same = expected == actual and isinstance(expected, bool) == isinstance(actual, bool)
        return None if same else f"{path}: {actual!r}, not {expected!r}"
    return next((wrong for part in parts if (wrong := holds(*part))), None)
