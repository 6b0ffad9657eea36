"""The output of a response that is being generated: its items, and the text that each has so far."""

import secrets
from typing import Any, Literal

import msgspec

from forefront.chat.events import AnswerDelta, ContentDelta, ReasoningDelta, ToolCallBegin, ToolInputDelta
from forefront.server.sending.response_memory import ResponseMemory
from forefront.wire.responses.item_messages import encode_reasoning
from forefront.wire.responses.response import (
    CustomToolCall,
    FunctionToolCall,
    ItemStatus,
    OutputItem,
    OutputMessage,
    OutputReasoning,
    OutputReasoningText,
    OutputSummaryText,
    OutputText,
)
from forefront.wire.responses.tools import ToolNames

Kind = Literal["message", "reasoning", "summary", "function_call", "custom_tool_call"]
_ID_PREFIXES: dict[Kind, str] = {
    "message": "msg_",
    "reasoning": "rs_",
    "summary": "rs_",
    "function_call": "fc_",
    "custom_tool_call": "ctc_",
}


class ItemDraft(msgspec.Struct):
    """One item. `call_id`, `name` and `namespace` are those of a call, `logprobs` of a message's tokens, as JSON."""

    kind: Kind
    id: str
    index: int
    call_id: str = ""
    name: str = ""
    namespace: str | None = None
    encrypted: bool = False
    status: ItemStatus = "in_progress"
    texts: list[str] = msgspec.field(default_factory=list)
    logprobs: list[Any] = msgspec.field(default_factory=list)

    @property
    def text(self) -> str:
        """The text so far: of a message or reasoning, a call's arguments, or its input."""
        return "".join(self.texts)

    def to_item(self) -> OutputItem:
        """The item so far. A message and reasoning without text have no part yet."""
        text = self.text
        match self.kind:
            case "message":
                parts = [OutputText(text=text, logprobs=self.logprobs)] if self.texts else []
                return OutputMessage(id=self.id, status=self.status, content=parts)
            case "function_call":
                return FunctionToolCall(**self._call(), arguments=text)
            case "custom_tool_call":
                return CustomToolCall(**self._call(), input=text)
        item = OutputReasoning(id=self.id, status=self.status)
        if text and self.kind == "summary":
            item.summary = [OutputSummaryText(text=text)]
        elif text:
            item.content = [OutputReasoningText(text=text)]
        if self.encrypted:
            item.encrypted_content = encode_reasoning(text)
        return item

    def without_text(self) -> "ItemDraft":
        """The item at its beginning."""
        return ItemDraft(self.kind, self.id, self.index, self.call_id, self.name, self.namespace)

    def _call(self) -> dict[str, Any]:
        names = ("id", "status", "call_id", "name", "namespace")
        return {name: getattr(self, name) for name in names}


class OutputDraft:
    """The items of a response, in order. `id_suffix` is the part of the response's id that the items' ids share.
    `tool_names` are the names of the request's tools. `memory` counts what is collected."""

    def __init__(
        self, id_suffix: str, tool_names: ToolNames, memory: ResponseMemory, *, summary: bool, encrypted: bool
    ) -> None:
        self.items: list[ItemDraft] = []
        self.last: ItemDraft | None = None  # the item that is being generated
        self._calls: dict[int, ItemDraft] = {}
        self._id_suffix = id_suffix
        self._tool_names = tool_names
        self._memory = memory
        self._reasoning: Kind = "summary" if summary else "reasoning"
        self._encrypted = encrypted

    def add(self, event: AnswerDelta) -> ItemDraft:
        """Add an event to its item, which is a new one where the kind of output changes. Raises `RequestError` for want
        of memory."""
        last = self.last
        if isinstance(event, ContentDelta) and last is not None and last.kind == "message" and not event.logprobs:
            last.texts.append(event.text)
            self._memory.add(event.text)
            return last
        match event:
            case ContentDelta():
                item = self._item("message")
                item.texts.append(event.text)
                self._memory.add(event.text)
                if event.logprobs:
                    item.logprobs += self._memory.encode(event.logprobs)
            case ReasoningDelta():
                item = self._item(self._reasoning)
                item.texts.append(event.text)
                self._memory.add(event.text)
                if self._encrypted:
                    self._memory.add(event.text)
            case ToolCallBegin():
                item = self._calls[event.call] = self._begin("custom_tool_call" if event.custom else "function_call")
                item.namespace, item.name = self._tool_names.split(event.name)
                item.call_id = "call_" + secrets.token_hex(12)
                self._memory.add(event.name)
            case ToolInputDelta():
                item = self._calls[event.call]  # an upstream may go on with a call after another has begun
                item.texts.append(event.arguments)
                self._memory.add(event.arguments)
        return item

    def end(self, status: ItemStatus) -> None:
        """The last item ends in that status."""
        if self.items:
            self.items[-1].status = status

    def _item(self, kind: Kind) -> ItemDraft:
        last = self.last
        return last if last is not None and last.kind == kind else self._begin(kind)

    def _begin(self, kind: Kind) -> ItemDraft:
        self.end("completed")
        index = len(self.items)
        encrypted = self._encrypted and kind in ("reasoning", "summary")
        item = ItemDraft(kind, f"{_ID_PREFIXES[kind]}{self._id_suffix}{index:04x}", index, encrypted=encrypted)
        self.items.append(item)
        self.last = item
        return item
