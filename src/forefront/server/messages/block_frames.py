"""The stream events of a message's content."""

from typing import Any, Final

import msgspec

from forefront.chat.events import AnswerDelta, ContentDelta, ToolCallBegin
from forefront.server.messages.content_draft import BlockDraft, BlockSequence, Kind, text_of
from forefront.server.sending.response_memory import ResponseMemory
from forefront.wire.messages.events import ContentBlockDelta, ContentBlockStart, ContentBlockStop, SignatureDelta

_encode: Final = msgspec.json.Encoder().encode
# The deltas of each kind of block, with places for its index and the JSON of the text.
_DELTA: Final = (
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%%d,"delta":{"type":"%b","%b":%%b}}\n\n'
)
_DELTAS: Final[dict[Kind, bytes]] = {
    "text": _DELTA % (b"text_delta", b"text"),
    "thinking": _DELTA % (b"thinking_delta", b"thinking"),
    "tool_use": _DELTA % (b"input_json_delta", b"partial_json"),
}


def frame(event: Any) -> bytes:
    """One event, with its type as the event's name."""
    return b"event: %b\ndata: %b\n\n" % (event.type.encode(), _encode(event))


class BlockFrames:
    """The events of the blocks, one after another. Deltas, the most frequent ones, are encoded without an object."""

    def __init__(self, id_suffix: str, memory: ResponseMemory, *, omits_thinking: bool) -> None:
        self._sequence = BlockSequence(id_suffix, omits_thinking=omits_thinking)
        self._memory = memory

    def add(self, event: AnswerDelta) -> list[bytes]:
        """The events of a delta. Raises `RequestError` for want of memory."""
        last = self._sequence.last
        if isinstance(event, ContentDelta) and event.text and last is not None and last.kind == "text":
            return [_DELTAS["text"] % (last.index, _encode(event.text))]
        block = self._sequence.block(event)
        frames: list[bytes] = []
        if self._sequence.last is not last:
            frames = [] if last is None else _closing(last)
            frames.append(frame(ContentBlockStart(index=block.index, content_block=block.opening())))
        text = text_of(event)
        if block.omitted:
            block.texts.append(text)
            self._memory.add(text)
        elif text and not isinstance(event, ToolCallBegin):
            frames.append(_DELTAS[block.kind] % (block.index, _encode(text)))
        return frames

    def end(self) -> list[bytes]:
        """The events that close the last block."""
        return [] if self._sequence.last is None else _closing(self._sequence.last)


def _closing(block: BlockDraft) -> list[bytes]:
    stop = frame(ContentBlockStop(index=block.index))
    if block.kind != "thinking":
        return [stop]
    return [frame(ContentBlockDelta(index=block.index, delta=SignatureDelta(signature=block.signature))), stop]
