"""What a model thinks before it answers, told apart from the answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from forefront.chat.marker import Machine, Reading, until


@dataclass(frozen=True, slots=True)
class ReasoningFormat:
    """The markers around reasoning. `control` are those that are control tokens (text → id): the detokenizer has to
    spell them out."""

    opening: str
    closing: str
    control: Mapping[str, int] = field(default_factory=dict)

    @property
    def spelled(self) -> dict[int, bytes]:
        """The text of each control token that the parser has to see, by id."""
        return {token: text.encode() for text, token in self.control.items()}

    def opened(self, prompt: str) -> bool:
        """Whether the rendered `prompt` ends within reasoning: some templates open it themselves."""
        return prompt.rstrip().endswith(self.opening)


_MARKERS = (("<think>", "</think>"), ("[THINK]", "[/THINK]"))


def find_reasoning_format(template: str, control: Mapping[str, int]) -> ReasoningFormat | None:
    """The format that the chat template's source speaks; `control` are the tokenizer's control tokens (text → id)."""
    for opening, closing in _MARKERS:
        if closing in template or opening in template or (opening in control and closing in control):
            present = {marker: control[marker] for marker in (opening, closing) if marker in control}
            return ReasoningFormat(opening, closing, present)
    return None


class ReasoningParser:
    """Splits an answer into reasoning and content. `opened` says that the prompt has opened the reasoning.

    Reasoning is what stands between the markers at the beginning of the answer; markers further on are content. White
    space at both ends of the reasoning and behind it is dropped. An answer that ends within reasoning has no content.
    Any way of cutting the text gives the same, put together, in time that grows with its length alone.
    """

    def __init__(self, form: ReasoningFormat, *, opened: bool) -> None:
        self.active = opened  # what comes next belongs to the reasoning, as far as can be told
        self._form = form
        self._reasoning: list[str] = []
        self._content: list[str] = []
        self._white: list[str] = []
        self._begun = False
        self._machine = Machine(self._answer())

    def feed(self, text: str) -> tuple[str, str]:
        """What more text adds to the reasoning, and to the content."""
        self._machine.feed(text)
        return self._taken()

    def finish(self) -> tuple[str, str]:
        """What was held back, at the end of the answer."""
        self._machine.finish()
        return self._taken()

    def _answer(self) -> Reading[None]:
        char = yield None
        if not self.active:
            char = yield from self._beginning(char)
        if self.active:
            char = yield from self._thoughts(char)
        while char:
            self._content.append(char)
            char = yield self._content.append

    def _beginning(self, char: str) -> Reading[str]:
        """Reads up to the end of the opening marker; what is not one is content."""
        read: list[str] = []
        while char.isspace():
            read.append(char)
            char = yield None
        white = len(read)
        for expected in self._form.opening:
            if char != expected:
                self._content += read
                return char
            read.append(char)
            self.active = len(read) - white == len(self._form.opening)
            char = yield None
        return char

    def _thoughts(self, char: str) -> Reading[str]:
        """Reads up to the first character of the content."""
        found = yield from until((self._form.closing,), char, self._think)
        if found != self._form.closing:
            self._think(found)
            return ""
        self.active = False
        char = yield None
        while char.isspace():
            char = yield None
        return char

    def _think(self, text: str) -> None:
        if not self._begun:
            text = text.lstrip()
        solid = text.rstrip()
        if solid:
            self._reasoning += [*self._white, solid]
            self._white.clear()
            self._begun = True
        if len(solid) < len(text):
            self._white.append(text[len(solid) :])

    def _taken(self) -> tuple[str, str]:
        taken = "".join(self._reasoning), "".join(self._content)
        self._reasoning.clear()
        self._content.clear()
        return taken
