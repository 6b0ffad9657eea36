"""Traces: the span of a request, its place in the client's trace, and private data."""

import subprocess
import sys
from itertools import pairwise
from typing import Any

import httpx
import pytest
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes

from forefront.cli.serving.tracing import open_tracer
from forefront.cli.settings.config import Config, ConfigError
from forefront.cli.settings.sections import TracingSettings
from tests.support.backends.instant import KEY, MODEL, PROMPT, Nursery
from tests.support.services.otlp import Collector, attributes, run_collector

CHAT = "/v1/chat/completions"
SECRET = "a text that only the client knows"
FIELDS = {"model": MODEL, "messages": [{"role": "user", "content": SECRET}], "max_tokens": 5, "stop": [SECRET]}
PARENT = "b7ad6b7169203331"
# Headers that continue no trace.
INVALID = ("nonsense", f"00-{'0' * 32}-{PARENT}-01", "ff-x", "00-\xff", "00" * 999)


class Exported:
    """What a server has exported before it ended, for requests that each name their own trace."""

    def __init__(self, collector: Collector) -> None:
        self.collector = collector
        self.completions: dict[str, str] = {}

    def spans(self, trace: str) -> list[Any]:
        """The spans of a trace, the request's first."""
        found = [span for span in self.collector.spans if span.trace_id.hex() == trace]
        return sorted(found, key=lambda span: span.kind != 2)  # SPAN_KIND_SERVER

    def span(self, completion: str) -> Any:
        """The span of the completion of that name."""
        wanted = self.completions[completion]
        [span] = [one for one in self.collector.spans if attributes(one).get("gen_ai.response.id") == wanted]
        return span


def trace(name: str) -> str:
    """The id of a trace."""
    return name.encode().hex().ljust(32, "f")


def headers(name: str, sampled: str = "01") -> dict[str, str]:
    return {"traceparent": f"00-{trace(name)}-{PARENT}-{sampled}"}


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    folder = tmp_path_factory.mktemp("traced")
    with run_collector() as collector:
        exported = Exported(collector)
        settings = Config(tracing=TracingSettings(endpoint=collector.url + "/"))
        with (
            Nursery().serve(f"sqlite:///{folder / 'f.db'}", folder / "log", settings=settings, pause=0.01) as server,
            httpx.Client(base_url=server.url, headers={"authorization": f"Bearer {KEY}"}) as client,
        ):
            sampling = {"temperature": 0.5, "top_p": 0.9, "top_k": 7, "seed": 3, "n": 1, "user": SECRET}
            answer = client.post(CHAT, json=FIELDS | sampling, headers=headers("whole") | {"x-request-id": "private"})
            exported.completions["whole"] = answer.json()["id"]
            client.post(CHAT, json=FIELDS | {"stream": True}, headers=headers("stream"))
            client.post(CHAT, json=FIELDS, headers=headers("hidden", "00"))
            # On its own connection, which the server closes.
            broken = httpx.post(
                f"{server.url}/v1/completions", json=_broken(), headers=dict(client.headers) | headers("broken")
            )
            assert broken.status_code == 500
            with client.stream(
                "POST", CHAT, json=FIELDS | {"stream": True, "max_tokens": 10**4}, headers=headers("left")
            ):
                pass
            keyed = headers("keyed") | {"idempotency-key": "1"}
            for _ in range(2):
                client.post(CHAT, json=FIELDS, headers=keyed)
            for parent in INVALID:
                spoilt = {b"traceparent": parent.encode("latin-1"), b"tracestate": b"a=1," * 1000}
                exported.completions[parent] = client.post(CHAT, json=FIELDS, headers=spoilt).json()["id"]
            server.process.terminate()
            server.process.join(30)
    return exported


def _broken() -> dict[str, Any]:
    """A request that the instant backend cannot prepare."""
    return {"model": MODEL, "prompt": SECRET}


def test_a_request_is_a_span_by_the_conventions(exported: Exported) -> None:
    span, *children = exported.spans(trace("whole"))
    assert span.name == f"chat {MODEL}"
    assert span.parent_span_id.hex() == PARENT
    assert attributes(span) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "forefront",
        "gen_ai.request.model": MODEL,
        "gen_ai.response.model": MODEL,
        "gen_ai.response.id": exported.completions["whole"],
        "gen_ai.request.stream": False,
        "gen_ai.request.max_tokens": 5,
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.top_p": 0.9,
        "gen_ai.request.top_k": 7,
        "gen_ai.request.seed": 3,
        "gen_ai.usage.input_tokens": PROMPT,
        "gen_ai.usage.output_tokens": 5,
        "gen_ai.usage.cache_read.input_tokens": 0,
        "gen_ai.usage.reasoning.output_tokens": 0,
        "gen_ai.response.finish_reasons": ["length"],
        "forefront.project": "default",
    }
    known = {value for value in vars(gen_ai_attributes).values() if isinstance(value, str)}
    assert {name for name in attributes(span) if name.startswith("gen_ai.")} <= known
    assert [child.name for child in children] == ["queue", "prefill", "decode"]
    assert all(child.parent_span_id == span.span_id for child in children)
    times = [time for child in children for time in (child.start_time_unix_nano, child.end_time_unix_nano)]
    marks = [span.start_time_unix_nano, *times, span.end_time_unix_nano]
    assert all(earlier <= later + 1_000_000 for earlier, later in pairwise(marks))
    assert exported.collector.resource["service.name"] == "forefront"


def test_a_stream_has_the_same_span(exported: Exported) -> None:
    span, *children = exported.spans(trace("stream"))
    assert attributes(span)["gen_ai.request.stream"] is True
    assert len(children) == 3


def test_a_failure_names_its_code(exported: Exported) -> None:
    [span] = exported.spans(trace("broken"))
    assert span.name == f"text_completion {MODEL}"
    assert attributes(span)["error.type"] == "internal_error"
    assert span.status.code == 2  # STATUS_CODE_ERROR


def test_a_disconnect_is_not_an_error(exported: Exported) -> None:
    span = exported.spans(trace("left"))[0]
    assert attributes(span)["gen_ai.response.finish_reasons"] == ["abort"]
    assert span.status.code == 0


def test_a_replay_is_no_second_span(exported: Exported) -> None:
    assert [span.name for span in exported.spans(trace("keyed"))] == [f"chat {MODEL}", "queue", "prefill", "decode"]


@pytest.mark.parametrize("parent", INVALID)
def test_an_invalid_parent_begins_a_trace(exported: Exported, parent: str) -> None:
    span = exported.span(parent)
    assert span.parent_span_id == b""
    assert span.trace_state == ""


def test_an_unsampled_parent_is_respected(exported: Exported) -> None:
    assert exported.spans(trace("hidden")) == []


def test_no_prompt_and_no_key_is_exported(exported: Exported) -> None:
    bodies = b"".join(exported.collector.bodies)
    assert MODEL.encode() in bodies
    for private in (SECRET, KEY, "word word", "private"):
        assert private.encode() not in bodies


def test_nothing_is_loaded_without_an_exporter() -> None:
    script = """
import sys
import forefront.cli.commands.serve, forefront.cli.serving.server_runtime
from forefront.cli.settings.sections import TracingSettings
from forefront.cli.serving.tracing import open_tracer
endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}
for more in ({"OTEL_SDK_DISABLED": "true"}, {"OTEL_TRACES_EXPORTER": "none"}, None):
    with open_tracer(None, {"OTEL_SERVICE_NAME": "x"} if more is None else endpoint | more) as tracer:
        assert tracer is None
print([name for name in sys.modules if "opentelemetry" in name or name.endswith("otel_tracer")])
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert run.stdout.strip() == "[]", run.stderr


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forefront.observability.tracer_choice.find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"forefront\[tracing\]"), open_tracer("http://127.0.0.1:4318", {}):
        pass
    with open_tracer(None, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}) as tracer:
        assert tracer is None
