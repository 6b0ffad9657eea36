"""llama.cpp's own HTTP server as the upstream, with the built-in model."""

import json
import logging
import math
from collections.abc import AsyncIterator, Iterator
from typing import Any

import jsonschema
import pytest
import xllamacpp

from forefront.catalog.sources.source import BUILT_IN_PATH
from forefront.chat.events import ContentDelta
from forefront.upstream.upstream_backend import UpstreamBackend
from forefront.wire.errors import RequestError
from forefront.wire.tokens import TokenizeRequest
from tests.upstream.backends import TENANT, Collected, answer, chat, open_backend, text

KEY = "sk-llama-0123456789"
RECIPE = [{"role": "user", "content": "Write a recipe for an italian dinner"}]
WEATHER: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
OTHER: dict[str, Any] = {
    "type": "function",
    "function": {"name": "other", "parameters": {"type": "object", "properties": {}}},
}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 8}, "age": {"type": "integer", "maximum": 150}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
FORMAT = {"type": "json_schema", "json_schema": {"schema": SCHEMA}}


@pytest.fixture(scope="module")
def llama_server() -> Iterator[str]:
    """The URL of a server that requires `KEY`."""
    options = xllamacpp.CommonParams()
    options.model.path = str(BUILT_IN_PATH)
    options.n_ctx = 1024
    options.n_parallel = 2
    options.n_gpu_layers = 0
    options.warmup = False
    options.verbosity = -1
    options.cpuparams.n_threads = options.cpuparams_batch.n_threads = 1
    options.api_keys = [KEY]
    running = xllamacpp.Server(options)
    yield running.listening_address
    del running


@pytest.fixture
async def backend(llama_server: str) -> AsyncIterator[UpstreamBackend]:
    """A backend before it, whose settings leave everything to be found."""
    async with open_backend(f"{llama_server}/v1", key=KEY, dialect=None, context_length=None) as opened:
        yield opened


def tops(found: Collected) -> list[Any]:
    return [entry for event in found.events if isinstance(event, ContentDelta) for entry in event.logprobs or ()]


async def test_detection_and_an_answer(backend: UpstreamBackend, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    await backend.probe()
    found = await answer(backend, chat(messages=RECIPE, temperature=0, max_tokens=12))
    assert "the upstream of big is llama.cpp" in caplog.text
    assert 0 < backend.context_length <= 2048
    assert found.text.startswith("Risotto with peas")
    assert found.reasons == ["length"]
    assert not found.usage.estimated
    assert (found.usage.prompt_tokens, found.usage.output_tokens) == (16, 12)


async def test_a_cached_prompt(backend: UpstreamBackend) -> None:
    request = chat(messages=RECIPE, temperature=0, max_tokens=4)
    await answer(backend, request)
    assert (await answer(backend, request)).usage.cached_tokens > 0


async def test_log_probabilities(backend: UpstreamBackend) -> None:
    found = await answer(backend, chat(messages=RECIPE, temperature=0, max_tokens=4, logprobs=True, top_logprobs=3))
    entries = tops(found)
    assert "".join(entry.token for entry in entries) == found.text
    assert len(entries) == 4
    for entry in entries:
        assert entry.top_logprobs[0].token == entry.token
        assert len(entry.top_logprobs) == 3
        assert bytes(entry.bytes or ()).decode() == entry.token
        assert -20 < entry.logprob <= 0
        assert not math.isnan(entry.logprob)


async def test_stop_bias_and_grammar(backend: UpstreamBackend) -> None:
    whole = await answer(backend, chat(messages=RECIPE, temperature=0, max_tokens=12))
    stopped = await answer(backend, chat(messages=RECIPE, temperature=0, max_tokens=12, stop=" peas"))
    assert stopped.text == whole.text.split(" peas")[0]
    assert stopped.reasons == ["stop"]
    bound = await answer(backend, chat(grammar='root ::= "left" | "right"', max_tokens=9))
    assert bound.text in ("left", "right")
    tokens = (await backend.tokenize(TokenizeRequest(model="big", prompt="R", add_special_tokens=False), TENANT)).tokens
    biased = await answer(
        backend, chat(messages=RECIPE, temperature=0, max_tokens=1, logit_bias={str(tokens[0]): -100})
    )
    assert not biased.text.startswith("R")


@pytest.mark.parametrize("make", [chat, text])
async def test_json_of_a_schema(make: Any, backend: UpstreamBackend) -> None:
    found = await answer(backend, make(response_format=FORMAT, max_tokens=200, temperature=0))
    jsonschema.validate(json.loads(found.text), SCHEMA)
    loose = await answer(backend, make(response_format={"type": "json_object"}, max_tokens=20, temperature=0))
    assert loose.text.lstrip().startswith("{")


@pytest.mark.parametrize(
    "choice",
    ["required", {"type": "function", "function": {"name": "get_weather"}}],
)
async def test_a_required_tool(choice: Any, backend: UpstreamBackend) -> None:
    tools = [OTHER, WEATHER] if choice != "required" else [WEATHER]
    question = [{"role": "user", "content": "What is the weather in Rome?"}]
    found = await answer(
        backend, chat(messages=question, tools=tools, tool_choice=choice, temperature=0, max_tokens=100)
    )
    assert found.reasons == ["tool_calls"]
    [(name, arguments), *_] = found.calls
    assert name == "get_weather"
    assert "city" in json.loads(arguments)


async def test_several_choices(backend: UpstreamBackend) -> None:
    found = await answer(backend, chat(messages=RECIPE, n=2, seed=3, temperature=1, max_tokens=3))
    assert found.reasons == ["length", "length"]
    assert not found.usage.estimated
    assert (found.usage.prompt_tokens, found.usage.output_tokens) == (16, 6)


async def test_texts_and_token_ids(backend: UpstreamBackend) -> None:
    tokens = (await backend.tokenize(TokenizeRequest(model="big", prompt="Once upon a time"), TENANT)).tokens
    assert await backend.detokenize(tokens, TENANT) in ("Once upon a time", " Once upon a time", "<s>Once upon a time")
    found = await answer(backend, text(prompt="Once upon a time", max_tokens=4, temperature=0, logprobs=2))
    assert len(tops(found)) == 4
    assert found.usage.output_tokens == 4
    both = await answer(backend, text(prompt=[tokens, tokens], max_tokens=2, temperature=0))
    assert both.reasons == ["length", "length"]
    assert (both.usage.prompt_tokens, both.usage.output_tokens) == (2 * len(tokens), 4)


async def test_the_prompt_is_shown(backend: UpstreamBackend) -> None:
    preview = await backend.preview(chat(messages=RECIPE), TENANT)
    assert "italian dinner" in preview.text
    assert preview.prompt_tokens == 16


async def test_a_last_message_is_continued(backend: UpstreamBackend) -> None:
    begun = [*RECIPE, {"role": "assistant", "content": "Risotto with"}]
    found = await answer(backend, chat(messages=begun, temperature=0, max_tokens=3))
    assert found.text.startswith(" peas")


@pytest.mark.parametrize(
    ("fields", "code", "expected_text"),
    [
        ({"messages": [{"role": "user", "content": "word " * 3000}]}, "context_length_exceeded", "context"),
        ({"grammar": "root ::= ("}, "invalid_value", "grammar"),
        ({"response_format": {"type": "json_schema", "json_schema": {"schema": {"type": 5}}}}, "invalid_value", ""),
    ],
)
async def test_refused_requests(
    fields: dict[str, Any], code: str, expected_text: str, backend: UpstreamBackend
) -> None:
    with pytest.raises(RequestError) as refused:
        await answer(backend, chat(**fields))
    assert refused.value.code == code
    assert expected_text in refused.value.message


async def test_a_wrong_key(llama_server: str) -> None:
    async with open_backend(f"{llama_server}/v1", key="wrong", dialect="llama.cpp") as backend:
        with pytest.raises(RequestError, match="operator"):
            await answer(backend, chat())
