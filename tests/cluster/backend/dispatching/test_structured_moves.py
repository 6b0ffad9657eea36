"""Answers with a grammar, whose replica ends in the middle: what follows fits what was there."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from forefront.chat.events import ChoiceEnd, Completed, ContentDelta, Started, ToolCallBegin, ToolInputDelta
from forefront.chat.local.loading import ModelParts, create_preparer
from forefront.chat.local.local_backend import LocalBackend
from forefront.cluster.backend.remote_engine import RemoteEngine
from forefront.cluster.protocol.constraint_source import constraint_source
from forefront.fairness.tenant import Tenant
from forefront.wire.completions.parse import parse_chat_request
from tests.cluster.replicas import SLOW_STEP, Replica, engine_on, ready, spec_of

SCHEMA = {
    "type": "object",
    "properties": {
        "names": {"type": "array", "items": {"type": "string", "minLength": 8}, "minItems": 12, "maxItems": 14},
        "count": {"type": "integer"},
    },
    "required": ["names", "count"],
    "additionalProperties": False,
}
TOOL = {"type": "function", "function": {"name": "store", "parameters": SCHEMA}}
FORMAT = {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True}}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def survivor(home: Path) -> Iterator[Replica]:
    replica = Replica(spec_of("forefront-mini", home))
    yield replica
    replica.close()


@asynccontextmanager
async def two_replicas(survivor: Replica, home: Path) -> AsyncIterator[tuple[RemoteEngine, Replica]]:
    """An engine on a replica that will be killed. The other one is connected then."""
    doomed = Replica(spec_of("forefront-mini", home), SLOW_STEP)
    try:
        await asyncio.to_thread(lambda: doomed.address)
        async with engine_on([doomed]) as engine:
            await ready(engine, 1)
            yield engine, doomed
    finally:
        doomed.close()


def body(**fields: Any) -> bytes:
    message = {"role": "user", "content": "Name some animals as JSON."}
    return json.dumps({"model": "m", "messages": [message], "max_tokens": 600, "seed": 3} | fields).encode()


@pytest.mark.slow
@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"response_format": FORMAT, "n": 2, "min_tokens": 20}, id="schema"),
        pytest.param({"response_format": FORMAT}, id="one", marks=pytest.mark.exhaustive),
        pytest.param({"tools": [TOOL], "tool_choice": "required"}, id="tool", marks=pytest.mark.exhaustive),
    ],
)
async def test_a_migrated_answer_fits_its_schema(
    survivor: Replica, home: Path, mini_parts: ModelParts, fields: dict[str, Any]
) -> None:
    async with two_replicas(survivor, home) as (engine, doomed):
        preparer = create_preparer(engine, mini_parts.tokenizer, None, mini_parts.facts.end_tokens)
        backend = LocalBackend(engine, preparer)
        prepared = await backend.prepare(parse_chat_request(body(**fields)).request, Tenant("shop"))
        texts: dict[int, str] = {}
        report, fingerprint, reasons = None, None, []
        async for event in backend.run(prepared).events:
            match event:
                case Started():
                    fingerprint = event.fingerprint
                case ContentDelta(index=index, text=text):
                    texts[index] = texts.get(index, "") + text
                case ToolInputDelta(index=index, arguments=text):
                    texts[index] = texts.get(index, "") + text
                case ToolCallBegin(name=name):
                    assert name == "store"
                case ChoiceEnd(reason=reason):
                    reasons.append(reason)
                case Completed():
                    report = event.report
            if doomed.process.poll() is None and len(texts.get(0, "")) > 30:
                engine.set_replicas([doomed.address, survivor.address])
                await ready(engine, 2)
                doomed.kill()
        assert report is not None
        assert report.moves == 1
        assert fingerprint == survivor.address.identity.fingerprint
        assert len(texts) == fields.get("n", 1)
        for text in texts.values():
            value = json.loads(text)
            assert set(value) == {"names", "count"}
            assert all(len(name) >= 8 for name in value["names"])
        await asyncio.to_thread(preparer.close)


def test_a_constraint_without_a_source_is_refused() -> None:
    assert constraint_source(None) is None
    with pytest.raises(TypeError, match="no source"):
        constraint_source(lambda: None)  # type: ignore[arg-type, return-value]
