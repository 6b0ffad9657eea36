"""Requests to a backend, and their whole answers."""

from dataclasses import dataclass, field
from typing import Any

import msgspec

from forefront.chat.events import ChoiceEnd, Completed, ContentDelta, Started, ToolCallBegin, ToolInputDelta
from forefront.fairness.tenant import Tenant
from forefront.wire.completions.parse import parse_chat_request, parse_completion_request
from forefront.wire.completions.response import TokenLogprob


@dataclass
class Answer:
    """All of an answer. `texts` and `ends` are by choice, `calls` the arguments of tool calls of all choices."""

    texts: dict[int, str] = field(default_factory=dict)
    ends: dict[int, str] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)
    logprobs: list[TokenLogprob] = field(default_factory=list)
    cached: int = 0
    tokens: int = 0
    prompt_tokens: int = 0

    @property
    def text(self) -> str:
        """The only choice's text."""
        return self.texts.get(0, "")


class Model:
    """A backend that answers plain requests."""

    def __init__(self, backend: Any) -> None:
        self.backend = backend

    async def chat(self, text: str = "what is this?", *, tenant: str = "a", **fields: Any) -> Answer:
        """Answer a message."""
        body = {"model": "m", "messages": [{"role": "user", "content": text}], "temperature": 0} | fields
        return await self._answer(parse_chat_request(msgspec.json.encode(body)).request, tenant)

    async def complete(self, prompt: object, *, tenant: str = "a", **fields: Any) -> Answer:
        """Continue a prompt."""
        body = {"model": "m", "prompt": prompt, "temperature": 0} | fields
        return await self._answer(parse_completion_request(msgspec.json.encode(body)).request, tenant)

    async def _answer(self, request: Any, tenant: str) -> Answer:
        self.backend.ignored(request)
        run = self.backend.run(await self.backend.prepare(request, Tenant(tenant)))
        answer = Answer()
        async for event in run.events:
            match event:
                case Started():
                    answer.cached = event.cached_tokens
                case ContentDelta():
                    answer.texts[event.index] = answer.texts.get(event.index, "") + event.text
                    answer.logprobs += event.logprobs or ()
                case ToolCallBegin():
                    answer.calls.append((event.name, ""))
                case ToolInputDelta():
                    name, arguments = answer.calls[event.call]
                    answer.calls[event.call] = name, arguments + event.arguments
                case ChoiceEnd():
                    answer.ends[event.index] = event.reason
                case Completed():
                    answer.tokens, answer.prompt_tokens = event.completion_tokens, event.prompt_tokens
        await run.computed
        return answer
