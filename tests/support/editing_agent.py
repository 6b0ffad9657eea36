"""A backend that plays the model of a coding agent: it has the agent read and edit one file."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from forefront.chat.backend import Run, RunUsage
from forefront.chat.events import ChoiceEnd, Completed, Event, Started, TextDelta, ToolCallBegin, ToolCallDelta
from forefront.fairness.tenant import Tenant
from forefront.wire.request import ChatRequest, CompletionRequest
from tests.support.instant import PROMPT, InstantBackend, InstantRequest


@dataclass(frozen=True, slots=True)
class _Prepared(InstantRequest):
    call: tuple[str, str] | None = None


class EditingBackend(InstantBackend):
    """Calls the tools `Read` and `Edit` for the file at `path`, one after the other, and says that it is done.

    `old` is replaced with `new`. Requests that offer no `Edit` tool get a text alone.
    """

    def __init__(self, path: str, old: str, new: str) -> None:
        super().__init__()
        self._calls = [
            ("Read", json.dumps({"file_path": path})),
            ("Edit", json.dumps({"file_path": path, "old_string": old, "new_string": new})),
        ]

    async def prepare(self, request: ChatRequest | CompletionRequest, tenant: Tenant) -> _Prepared:
        """See `Backend.prepare`."""
        assert isinstance(request, ChatRequest)
        names = [tool.function.name for tool in request.tools or ()]
        results = sum(message.role == "tool" for message in request.messages)
        call = self._calls[results] if "Edit" in names and results < len(self._calls) else None
        return _Prepared(PROMPT, 100, "Done.", call=call)

    def run(self, prepared: InstantRequest, deadline: float | None = None) -> Run:
        """See `Backend.run`."""
        assert isinstance(prepared, _Prepared)
        usage = RunUsage()
        return Run(self._play(prepared, usage), usage, asyncio.get_running_loop().create_future())

    async def _play(self, prepared: _Prepared, usage: RunUsage) -> AsyncGenerator[Event, None]:
        usage.started, usage.output_tokens = time.time(), 1
        yield Started(PROMPT, 4)
        if prepared.call is None:
            yield TextDelta(0, prepared.text)
        else:
            name, arguments = prepared.call
            yield ToolCallBegin(0, 0, name)
            for at in range(0, len(arguments), 8):
                yield ToolCallDelta(0, 0, arguments[at : at + 8])
        yield ChoiceEnd(0, "stop" if prepared.call is None else "tool_calls")
        yield Completed(PROMPT, 1, 4)
