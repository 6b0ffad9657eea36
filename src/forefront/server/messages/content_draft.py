"""The content of a message that is being generated: its blocks, and the text that each has so far."""

from typing import Any, Literal

import msgspec

from forefront.chat.events import AnswerDelta, ContentDelta, ReasoningDelta, ToolCallBegin, ToolInputDelta
from forefront.server.sending.response_memory import ResponseMemory
from forefront.wire.messages.response import OutputBlock, OutputTextBlock, OutputThinkingBlock, OutputToolUseBlock
from forefront.wire.messages.thinking import SIGNATURE, encode_thinking
from forefront.wire.parsing.json_decoder import decode_json

Kind = Literal["text", "thinking", "tool_use"]


class BlockDraft(msgspec.Struct):
    """One block. `id` and `name` are those of a call. With `omitted`, thinking is only in the signature."""

    kind: Kind
    index: int
    id: str = ""
    name: str = ""
    omitted: bool = False
    texts: list[str] = msgspec.field(default_factory=list)

    @property
    def signature(self) -> str:
        """The signature of thinking."""
        return encode_thinking("".join(self.texts)) if self.omitted else SIGNATURE

    def to_block(self) -> OutputBlock:
        """The block, complete."""
        text = "".join(self.texts)
        match self.kind:
            case "text":
                return OutputTextBlock(text=text)
            case "thinking":
                return OutputThinkingBlock(thinking="" if self.omitted else text, signature=self.signature)
            case "tool_use":
                return OutputToolUseBlock(id=self.id, name=self.name, input=_input(text))

    def opening(self) -> OutputBlock:
        """The block at its beginning."""
        match self.kind:
            case "text":
                return OutputTextBlock(text="")
            case "thinking":
                return OutputThinkingBlock(thinking="", signature="")
            case "tool_use":
                return OutputToolUseBlock(id=self.id, name=self.name, input={})


class BlockSequence:
    """The order of the blocks: which one a delta belongs to. Ids of calls end in `id_suffix` and the block's number."""

    def __init__(self, id_suffix: str, *, omits_thinking: bool) -> None:
        self.last: BlockDraft | None = None
        self._id_suffix = id_suffix
        self._omits_thinking = omits_thinking
        self._count = 0
        self._calls: dict[int, BlockDraft] = {}

    def block(self, event: AnswerDelta) -> BlockDraft:
        """The block of a delta: the last one, a new one, or that of an earlier call."""
        match event:
            case ContentDelta():
                return self._continued("text")
            case ReasoningDelta():
                return self._continued("thinking")
            case ToolCallBegin():
                block = self._calls[event.call] = self._begin("tool_use")
                block.id, block.name = f"toolu_{self._id_suffix}{block.index:04x}", event.name
                return block
            case ToolInputDelta():
                return self._calls[event.call]

    def _continued(self, kind: Kind) -> BlockDraft:
        return self.last if self.last is not None and self.last.kind == kind else self._begin(kind)

    def _begin(self, kind: Kind) -> BlockDraft:
        self.last = BlockDraft(kind, self._count, omitted=kind == "thinking" and self._omits_thinking)
        self._count += 1
        return self.last


class ContentDraft:
    """Collects the content of a whole message."""

    def __init__(self, id_suffix: str, memory: ResponseMemory, *, omits_thinking: bool) -> None:
        self._sequence = BlockSequence(id_suffix, omits_thinking=omits_thinking)
        self._memory = memory
        self._blocks: list[BlockDraft] = []

    def add(self, event: AnswerDelta) -> None:
        """Add to a block. Raises `RequestError` for want of memory."""
        last = self._sequence.last
        if isinstance(event, ContentDelta) and last is not None and last.kind == "text":
            last.texts.append(event.text)
            self._memory.add(event.text)
            return
        block = self._sequence.block(event)
        if block.index == len(self._blocks):
            self._blocks.append(block)
        text = text_of(event)
        block.texts.append(text)
        self._memory.add(text)

    def blocks(self) -> list[OutputBlock]:
        """The content."""
        return [block.to_block() for block in self._blocks]


def text_of(event: AnswerDelta) -> str:
    """The text that a delta adds to its block."""
    match event:
        case ToolCallBegin():
            return ""
        case ToolInputDelta():
            return event.arguments
        case _:
            return event.text


def _input(text: str) -> dict[str, Any]:
    """The arguments of a call; empty where the answer was cut off within them."""
    try:
        decoded = decode_json(text)
    except (msgspec.DecodeError, RecursionError):
        return {}
    return decoded if isinstance(decoded, dict) else {}
