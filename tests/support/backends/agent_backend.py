"""A server whose model answers an agent by a script: calls of tools, then a text."""

import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from forefront.chat.backend import RunUsage
from forefront.chat.events import ChoiceEnd, Completed, ContentDelta, Event, Started, ToolCallBegin, ToolInputDelta
from forefront.fairness.tenant import Tenant
from forefront.wire.completions.request import ChatRequest, CompletionRequest
from tests.support.backends.instant import PROMPT, InstantBackend, InstantRequest

# An answer: a text, or the name of a tool with its arguments.
Answer = str | tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Prepared(InstantRequest):
    answer: Answer = ""


class AgentBackend(InstantBackend):
    """Answers a conversation with N results of tools by the answer N of its script. A call of a tool that the agent
    does not offer becomes a text that reports it."""

    def __init__(self, script: Sequence[Answer]) -> None:
        super().__init__()
        self._script = script

    async def prepare(self, request: ChatRequest | CompletionRequest, tenant: Tenant) -> _Prepared:
        """See `Backend.prepare`."""
        assert isinstance(request, ChatRequest)
        results = sum(message.role == "tool" for message in request.messages)
        answer = self._script[min(results, len(self._script) - 1)]
        names = [tool.function.name for tool in request.tools or ()]
        if isinstance(answer, tuple) and answer[0] not in names:
            answer = f"There is no tool {answer[0]} among {', '.join(names)}."
        return _Prepared(PROMPT, 64, "", answer=answer)

    async def _events(self, prepared: InstantRequest, usage: RunUsage) -> AsyncGenerator[Event, None]:
        assert isinstance(prepared, _Prepared)
        usage.started = time.time()
        usage.output_tokens = 2
        yield Started(PROMPT, 0)
        if isinstance(prepared.answer, tuple):
            name, arguments = prepared.answer
            yield ToolCallBegin(0, 0, name)
            yield ToolInputDelta(0, 0, arguments[:7])
            yield ToolInputDelta(0, 0, arguments[7:])
            yield ChoiceEnd(0, "tool_calls")
        else:
            yield ContentDelta(0, prepared.answer)
            yield ChoiceEnd(0, "stop")
        yield Completed(PROMPT, 2, 0)
