"""One server with a name for each kind of engine: this project's, llama.cpp, and two upstreams.

Each is used by the `openai` package, LangChain and both SDKs, with tools, JSON schemas, budgets and usage.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import jsonschema
import pytest
from langchain_openai import ChatOpenAI
from openai import OpenAI, PermissionDeniedError
from pydantic import SecretStr

from forefront import ForefrontClient
from forefront.catalog.sources.source import BUILT_IN_PATH
from forefront.managed_engines.engine_process import EngineProcess, Launch
from forefront.managed_engines.llama_cpp.settings import LlamaCppSettings
from tests.support.models.llama_cpp_families import write_mixture
from tests.support.programs.node import run
from tests.support.server import RunningServer, run_server

MODELS: Final = ["own", "other-family", "forefront-upstream", "llama-upstream"]
SCHEMA: Final[dict[str, Any]] = {
    "title": "Dinner",
    "type": "object",
    "properties": {"minutes": {"type": "integer", "minimum": 5, "maximum": 90}, "vegetarian": {"type": "boolean"}},
    "required": ["minutes", "vegetarian"],
    "additionalProperties": False,
}
PLACE: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"unit": {"enum": ["celsius", "fahrenheit"]}},
    "required": ["unit"],
    "additionalProperties": False,
}
TOOL: Final[dict[str, Any]] = {
    "type": "function",
    "function": {"name": "get_weather", "description": "The weather", "parameters": PLACE},
}
FORM: Final[dict[str, Any]] = {
    "type": "json_schema",
    "json_schema": {"name": "dinner", "schema": SCHEMA, "strict": True},
}
ASK: Final[Any] = [{"role": "user", "content": "What is the weather like in Rome?"}]


@pytest.fixture(scope="module")
def llama_server() -> Iterator[tuple[str, str]]:
    """llama.cpp's own server with the built-in model: its address and its key."""
    settings = LlamaCppSettings(str(BUILT_IN_PATH), context=4096, threads=1)
    process = EngineProcess(
        "llama", Launch("forefront.managed_engines.llama_cpp.server_process", settings.as_message())
    )
    endpoint = process.start()
    yield endpoint.url, endpoint.key
    process.stop()


@pytest.fixture(scope="module")
def gate(
    server: RunningServer, llama_server: tuple[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningServer]:
    """The server of all names. Its key has a budget."""
    folder = tmp_path_factory.mktemp("gate")
    write_mixture(folder / "mixture.gguf")
    (folder / "forefront.toml").write_text(
        f"""
[models.own]
source = "forefront-mini"
keep = "always"
threads = 1

[models.other-family]
source = "{folder / "mixture.gguf"}"
chat_template = "chatml"
keep = "always"
threads = 1

[models.forefront-upstream]
upstream = "{server.url}/v1"
upstream_model = "forefront-mini"
upstream_key = "env:FAR_KEY"

[models.llama-upstream]
upstream = "{llama_server[0]}/v1"
upstream_key = "env:LLAMA_KEY"
"""
    )
    secrets = {"FAR_KEY": server.key, "LLAMA_KEY": llama_server[1]}
    arguments = ["--config", str(folder / "forefront.toml")]
    with run_server(arguments, folder / "home", environment=secrets) as running:
        yield running


@pytest.fixture(scope="module")
def key(gate: RunningServer) -> str:
    """A key with a budget that is large enough for all tests."""
    return _new_key(gate, 100_000)


def _new_key(gate: RunningServer, tokens: int) -> str:
    settings = {"name": f"budget of {tokens}", "project": "kitchen", "budget": {"tokens": tokens}}
    with gate.client() as admin:
        answer = admin.post("/admin/keys", json=settings)
    assert answer.status_code < 300, answer.text
    made: str = answer.json()["key"]
    return made


def test_the_start_reports_why_llama_cpp_is_used(gate: RunningServer) -> None:
    log = gate.log.read_text()
    assert "other-family is served by llama.cpp: the file has the architecture qwen3moe" in log
    assert "own is served by llama.cpp" not in log
    with gate.client() as client:
        assert [model["id"] for model in client.get("/v1/models").json()["data"]] == MODELS


@pytest.mark.parametrize("model", MODELS)
def test_openai(gate: RunningServer, key: str, model: str) -> None:
    with OpenAI(base_url=f"{gate.url}/v1", api_key=key, max_retries=0) as client:
        create: Any = client.chat.completions.create
        answer = create(model=model, messages=ASK, max_tokens=12, temperature=0)
        assert answer.choices[0].message.content
        assert answer.usage.completion_tokens <= 12
        chunks = list(
            create(
                model=model,
                messages=ASK,
                max_tokens=12,
                temperature=0,
                stream=True,
                stream_options={"include_usage": True},
            )
        )
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        assert text == answer.choices[0].message.content
        assert chunks[-1].usage.completion_tokens == answer.usage.completion_tokens
        form = create(model=model, messages=ASK, max_tokens=200, temperature=0, response_format=FORM)
        jsonschema.validate(json.loads(form.choices[0].message.content), SCHEMA)
        called = create(model=model, messages=ASK, max_tokens=200, temperature=0, tools=[TOOL], tool_choice="required")
        for call in called.choices[0].message.tool_calls:
            assert call.function.name == "get_weather"
            jsonschema.validate(json.loads(call.function.arguments), PLACE)


@pytest.mark.parametrize("model", MODELS)
def test_langchain(gate: RunningServer, key: str, model: str) -> None:
    chat = ChatOpenAI(
        base_url=f"{gate.url}/v1",
        api_key=SecretStr(key),
        model=model,
        temperature=0,
        max_tokens=200,  # type: ignore[call-arg]
        max_retries=0,
    )
    dinner: Any = chat.with_structured_output(SCHEMA, method="json_schema", strict=True).invoke("a dinner")
    jsonschema.validate(dinner, SCHEMA)
    message: Any = chat.bind_tools([TOOL], tool_choice="any").invoke("What is the weather like?")
    assert message.tool_calls[0]["name"] == "get_weather"
    jsonschema.validate(message.tool_calls[0]["args"], PLACE)
    assert message.usage_metadata["output_tokens"] > 0


@pytest.mark.parametrize("model", MODELS)
def test_python_sdk(gate: RunningServer, key: str, model: str) -> None:
    with ForefrontClient(base_url=gate.url, api_key=key, default_model=model, max_retries=0) as client:
        create: Any = client.chat.completions.create
        form = create(messages=ASK, max_tokens=200, temperature=0, response_format=FORM)
        jsonschema.validate(json.loads(form.message.content), SCHEMA)
        called = create(messages=ASK, max_tokens=200, temperature=0, tools=[TOOL], tool_choice="required")
        jsonschema.validate(json.loads(called.message.tool_calls[0].function.arguments), PLACE)
        stream: Any = client.chat.completions.stream
        with stream(messages=ASK, max_tokens=12, temperature=0) as events:
            final = events.final_completion()
        assert final.message.content
        usage = httpx.get(f"{gate.url}/v1/usage/{final.id}", headers={"authorization": f"Bearer {key}"}).json()
        assert usage["model"] == model
        assert usage["output_tokens"] == final.usage.output_tokens


def test_node_sdk(gate: RunningServer, key: str, node_sdk: Path) -> None:
    script = """
        import Forefront from "forefront";
        const [models, messages, tool, form] = JSON.parse(process.env.CASES);
        const results = {};
        for (const model of models) {
          const client = new Forefront({ defaultModel: model, maxRetries: 0 });
          const ask = { messages, max_tokens: 200, temperature: 0 };
          const answer = await client.chat.completions.create({ ...ask, response_format: form });
          const called = await client.chat.completions.create({ ...ask, tools: [tool], tool_choice: "required" });
          const stream = await client.chat.completions.stream({ ...ask, max_tokens: 12 });
          const final = await stream.finalCompletion();
          results[model] = [answer.message.content, called.message.tool_calls[0].function.arguments, final.usage];
        }
        console.log(JSON.stringify(results));
    """
    cases = json.dumps([MODELS, ASK, TOOL, FORM])
    command = ("node", "--input-type=module", "-e", script)
    output = run(*command, cwd=node_sdk, CASES=cases, FOREFRONT_BASE_URL=gate.url, FOREFRONT_API_KEY=key)
    results = json.loads(output)
    for model in MODELS:
        form, arguments, usage = results[model]
        jsonschema.validate(json.loads(form), SCHEMA)
        jsonschema.validate(json.loads(arguments), PLACE)
        assert 0 < usage["output_tokens"] <= 12


@pytest.mark.parametrize("model", MODELS)
def test_budgets(gate: RunningServer, model: str) -> None:
    """A request that cannot be paid is refused before any engine sees it."""
    poor = _new_key(gate, 20)
    client = OpenAI(base_url=f"{gate.url}/v1", api_key=poor, max_retries=0)
    with client, pytest.raises(PermissionDeniedError) as raised:
        client.chat.completions.create(model=model, messages=ASK, max_tokens=100)
    assert raised.value.code == "insufficient_credits"


def test_usage_of_every_model(gate: RunningServer, key: str) -> None:
    with gate.client() as admin:
        rows = admin.get("/admin/usage", params={"by": "model", "project": "kitchen"}).json()["data"]
    assert {row["group"]["model"] for row in rows} == set(MODELS)
    assert all(row["output_tokens"] > 0 for row in rows)
