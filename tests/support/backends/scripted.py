"""A backend with scripted answers."""

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field

from forefront.chat.backend import Run, RunUsage
from forefront.chat.events import (
    ChoiceEnd,
    Completed,
    ContentDelta,
    Event,
    ReasoningDelta,
    RunReport,
    Started,
    ToolCallBegin,
    ToolInputDelta,
)
from forefront.fairness.tenant import Tenant
from forefront.wire.completions.request import ChatRequest, CompletionRequest
from forefront.wire.completions.response import TokenLogprob, TopLogprob
from forefront.wire.errors import RequestError
from forefront.wire.receipt import EffectiveSampling
from tests.support.backends.instant import PROMPT, InstantBackend, InstantRequest

PIECE = 4  # characters


@dataclass(frozen=True, slots=True)
class Script:
    """An answer. `calls`: names and arguments. `tokens`: the text as tokens with the probabilities of alternatives, the
    first of which is the token. `pause`: seconds between pieces of `piece` characters. `failure`: the code of an error
    that ends the stream after the text."""

    text: str = ""
    reasoning: str = ""
    calls: Sequence[tuple[str, str]] = ()
    tokens: Sequence[Mapping[str, float]] = ()
    pause: float = 0.0
    piece: int = PIECE
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class _Prepared(InstantRequest):
    script: Script = field(default_factory=Script)


class ScriptedBackend(InstantBackend):
    """Answers a last message that is the name of a script by it, and every other one with its own text."""

    def __init__(self, scripts: Mapping[str, Script], pause: float = 0.0) -> None:
        super().__init__()
        self._scripts = dict(scripts)
        self._echo_pause = pause

    async def prepare(self, request: ChatRequest | CompletionRequest, tenant: Tenant) -> _Prepared:
        """See `Backend.prepare`."""
        assert isinstance(request, ChatRequest)
        content = str(request.messages[-1].content or "")
        script = self._scripts.get(content) or Script(content, pause=self._echo_pause)
        return _Prepared(PROMPT, 100_000, content, script=script)

    def run(self, prepared: InstantRequest, deadline: float | None = None) -> Run:
        """See `Backend.run`."""
        assert isinstance(prepared, _Prepared)
        usage = RunUsage()
        return Run(self._play(prepared.script, usage), usage, asyncio.get_running_loop().create_future())

    async def _play(self, script: Script, usage: RunUsage) -> AsyncGenerator[Event, None]:
        usage.started = time.time()
        yield Started(PROMPT, 4)
        for event in _events(script):
            if script.pause:
                await asyncio.sleep(script.pause)
            usage.output_tokens += 1
            yield event
        if script.failure:
            raise RequestError(script.failure, "The script ends here.")
        for call, (name, arguments) in enumerate(script.calls):
            yield ToolCallBegin(0, call, name)
            yield ToolInputDelta(0, call, arguments)
        yield ChoiceEnd(0, "tool_calls" if script.calls else "stop")
        report = RunReport(_SAMPLING, 0.001, 0.012, 0.5)
        yield Completed(PROMPT, max(usage.output_tokens, 1), 4, 0, report)


_SAMPLING = EffectiveSampling(
    temperature=0.7,
    top_p=1.0,
    top_k=0,
    min_p=0.0,
    presence_penalty=0.0,
    frequency_penalty=0.0,
    repetition_penalty=1.0,
    max_tokens=1024,
    seed=4711,
)


def _events(script: Script) -> list[Event]:
    size = script.piece
    events: list[Event] = [
        ReasoningDelta(0, script.reasoning[at : at + size]) for at in range(0, len(script.reasoning), size)
    ]
    for alternatives in script.tokens:
        top = [
            TopLogprob(token=token, logprob=value, bytes=list(token.encode())) for token, value in alternatives.items()
        ]
        chosen = top[0]
        entry = TokenLogprob(token=chosen.token, logprob=chosen.logprob, bytes=chosen.bytes, top_logprobs=top)
        events.append(ContentDelta(0, chosen.token, [entry]))
    events += [ContentDelta(0, script.text[at : at + size]) for at in range(0, len(script.text), size)]
    return events
