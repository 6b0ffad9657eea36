"""Every fault that an upstream can have: one result or one clear error, within bounds of time."""

import asyncio
from dataclasses import replace

import pytest

from forefront.wire.completions.request import ChatRequest
from forefront.wire.errors import RequestError
from tests.support.upstreams.faulty_upstream import FaultyUpstream
from tests.support.upstreams.upstream_faults import SECRET_ADDRESS, UpstreamFault, upstream_faults
from tests.upstream.backends import Collected, chat, collect, open_backend

# An answer that is no stream is read nonetheless.
_WHOLE_FAULTS = {name: fault for name, fault in upstream_faults().items() if not fault.stream}
_FAULTS = {name: fault for name, fault in upstream_faults().items() if fault.stream} | {
    "stream: a whole completion": replace(upstream_faults()["stream: a whole completion"], outcome="whole")
}
_INTERNAL = (SECRET_ADDRESS, "127.0.0.1", "sk-secret", "Traceback", "nginx", "CUDA", "localhost", "aiohttp")


@pytest.mark.parametrize("name", _FAULTS)
async def test_a_fault_has_its_documented_outcome(name: str, upstream: FaultyUpstream) -> None:
    fault = _FAULTS[name]
    upstream.behaviour = fault.answer
    collected, error = await _outcome(upstream, fault, chat(max_tokens=16, stream=True))
    expected = {"refused": "nothing", "endless": "cut"}.get(fault.outcome, fault.outcome)
    assert ("whole" if error is None else "cut" if collected.events else "nothing") == expected
    assert collected.usage.prompt_tokens
    if error is None:
        assert collected.reasons == ["stop"]
        assert collected.completed.completion_tokens == collected.usage.output_tokens > 0
        return
    assert not any(text in error.message for text in _INTERNAL)
    refused = error.code not in ("upstream_failed", "upstream_unavailable", "overloaded")
    assert refused == (fault.outcome == "refused")
    if expected == "cut":
        assert collected.usage.output_tokens > 0


@pytest.mark.parametrize("name", _WHOLE_FAULTS)
async def test_a_fault_of_a_whole_answer_has_its_documented_outcome(name: str, upstream: FaultyUpstream) -> None:
    fault = _WHOLE_FAULTS[name]
    upstream.behaviour = fault.answer
    collected, error = await _outcome(upstream, fault, chat(max_tokens=16))
    assert all("stream" not in request.json for request in upstream.completions)
    assert collected.usage.prompt_tokens
    assert ("nothing" if error else "whole") == (fault.outcome if fault.outcome == "whole" else "nothing")
    if error is None:
        assert (collected.text, collected.reasons) == ("Hello there.", ["stop"])
        return
    assert not collected.events
    assert not any(text in error.message for text in _INTERNAL)
    refused = error.code not in ("upstream_failed", "upstream_unavailable", "overloaded")
    assert refused == (fault.outcome == "refused")


async def _outcome(
    upstream: FaultyUpstream, fault: UpstreamFault, request: ChatRequest
) -> tuple[Collected, RequestError | None]:
    """What came of a request. Silence is short only where the fault is that nothing comes."""
    collected, silence = Collected(), 0.4 if fault.lasts else 60.0
    async with open_backend(upstream.url, key="sk-secret-upstream-key", read_seconds=silence) as backend:
        try:
            async with asyncio.timeout(60):
                await collect(collected, backend, request)
        except RequestError as error:
            # The connection of a broken answer is closed, never used again.
            await _until(lambda: upstream.open_connections <= 1)
            return collected, error
    return collected, None


async def _until(condition: object) -> None:
    assert callable(condition)
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)
