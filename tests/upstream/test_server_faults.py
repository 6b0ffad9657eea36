"""Every fault of the table at the level of a running server: with one replica, and with a second one that works.

All requests run at once against one server, each with its own model; the tests look at what came of them.
"""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from forefront.fairness.tenant import Tenant
from forefront.upstream.replicas.affinity import conversation_key, rank, replica_seed
from forefront.upstream.replicas.circuit import CircuitPolicy
from forefront.upstream.spec import UpstreamSpec
from forefront.wire.completions.message import Message
from forefront.wire.completions.request import ChatRequest
from tests.support.backends.instant import KEY, Nursery
from tests.support.upstreams.faulty_upstream import FaultyUpstream, run_faulty_upstream
from tests.support.upstreams.upstream_answers import MODEL
from tests.support.upstreams.upstream_faults import SECRET_ADDRESS, upstream_faults

FAULTS = {name: fault for name, fault in upstream_faults().items() if fault.outcome != "endless"}
UPSTREAM_KEY = "sk-secret-upstream-key"
READ_SECONDS = 5.0
AT_ONCE = 16
# The settings of a model whose circuit never opens: one fault must not hide another.
POLICY = CircuitPolicy(failures=10**6, failed_checks=10**6)


@dataclass
class Outcome:
    """What a client saw of one request."""

    status: int
    body: str

    @property
    def error(self) -> dict[str, Any] | None:
        """The error, of the response or at the end of a stream."""
        for data in self._payloads():
            if "error" in data:
                error: dict[str, Any] = data["error"]
                return error
        return None

    @property
    def text(self) -> str:
        """The content of the answer."""
        choices = [choice for data in self._payloads() for choice in data.get("choices", ())]
        return "".join((choice.get("delta") or choice.get("message") or {}).get("content") or "" for choice in choices)

    @property
    def complete(self) -> bool:
        """Whether the response is a complete answer."""
        if self.body.startswith(":"):
            return self.body.endswith("data: [DONE]\n\n")
        return self.status == 200 and self.error is None

    def _payloads(self) -> list[dict[str, Any]]:
        if not self.body.startswith(":"):
            return [json.loads(self.body)]
        lines = (line for line in self.body.splitlines() if line.startswith("data: {"))
        return [json.loads(line[6:]) for line in lines]


@dataclass
class Seen:
    """The outcomes by model, and the requests in the ledger by model."""

    outcomes: dict[str, Outcome]
    rows: dict[str, int]


def alone(name: str) -> str:
    """The model whose only replica has the fault."""
    return f"one: {name}"


def paired(name: str) -> str:
    """The model whose first replica has the fault and whose second one works."""
    return f"two: {name}"


def collected(model: str) -> str:
    """The second request for a model, whose answer is no stream."""
    return f"{model}, not streamed"


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    folder = tmp_path_factory.mktemp("faults")
    with run_faulty_upstream() as upstream:
        specs = []
        for number, (name, fault) in enumerate(FAULTS.items()):
            upstream.paths[f"/{number}/v1/chat/completions"] = fault.answer
            faulty, right = _urls(upstream, number)
            specs += [_spec(alone(name), faulty), _spec(paired(name), faulty, right)]
        with Nursery().serve(f"sqlite:///{folder / 'f.db'}", folder / "log", upstreams=specs, policy=POLICY) as server:
            yield asyncio.run(_collect(server.url, upstream))


def _urls(upstream: FaultyUpstream, number: int) -> tuple[str, str]:
    base = upstream.url.removesuffix("/v1")
    return f"{base}/{number}/v1", f"{base}/right-{number}/v1"


def _spec(name: str, *urls: str) -> UpstreamSpec:
    return UpstreamSpec(
        name, urls, MODEL, key=UPSTREAM_KEY, dialect="generic", context_length=4096, read_seconds=READ_SECONDS
    )


async def _collect(url: str, upstream: FaultyUpstream) -> Seen:
    headers, limits = {"authorization": f"Bearer {KEY}"}, asyncio.Semaphore(AT_ONCE)
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60, limits=httpx.Limits()) as client:

        async def request(model: str, number: int, *, stream: bool) -> Outcome:
            async with limits:
                body = {"model": model, "messages": _prefer(*_urls(upstream, number)), "max_tokens": 20}
                response = await client.post("/v1/chat/completions", json=body | {"stream": stream})
                return Outcome(response.status_code, response.text)

        jobs = {}
        for number, (name, fault) in enumerate(FAULTS.items()):
            for model in (alone(name), paired(name)):
                jobs[model] = request(model, number, stream=fault.stream)
                if fault.outcome == "cut":
                    jobs[collected(model)] = request(model, number, stream=False)
        outcomes = dict(zip(jobs, await asyncio.gather(*jobs.values()), strict=True))
        rows: dict[str, int] = {}
        async with asyncio.timeout(60):
            while sum(rows.values()) < len(jobs):  # rows of failures are written after the response
                report = (await client.get("/admin/usage", params={"by": "model"})).json()
                rows = {row["group"]["model"]: row["requests"] for row in report["data"]}
        return Seen(outcomes, rows)


def _prefer(first: str, second: str) -> list[dict[str, str]]:
    """Messages of a conversation that prefers the first of two replicas."""
    seeds = [replica_seed(first), replica_seed(second)]
    for number in range(100):
        text = f"Hello {number}"
        request = ChatRequest(model=MODEL, messages=[Message(role="user", content=text)])
        key = conversation_key(request, Tenant("default"))
        if key is not None and rank(key, seeds)[0] == 0:
            return [{"role": "user", "content": text}]
    raise AssertionError


@pytest.mark.parametrize("name", FAULTS)
def test_with_one_replica(seen: Seen, name: str) -> None:
    fault, outcome = FAULTS[name], seen.outcomes[alone(name)]
    _check_secrets(outcome)
    match fault.outcome:
        case "whole":
            assert outcome.complete, outcome
            assert outcome.text.endswith("Hello there.")
        case "refused":
            assert 400 <= outcome.status < 500
            assert outcome.status != 429
        case "nothing":
            assert outcome.error is not None
            assert not outcome.text
            # On a busy machine a stream may begin with a comment before its error.
            assert outcome.status in (502, 503) or outcome.body.startswith(": waiting")
        case "cut":
            assert outcome.status == 200
            assert outcome.error is not None
            assert not outcome.complete
            assert outcome.text
            assert seen.outcomes[collected(alone(name))].status in (502, 503)
    assert seen.rows[alone(name)] == (2 if fault.outcome == "cut" else 1)


@pytest.mark.parametrize("name", FAULTS)
def test_with_a_second_replica(seen: Seen, name: str) -> None:
    """What fails before its first token is answered by the other replica."""
    fault, outcome = FAULTS[name], seen.outcomes[paired(name)]
    _check_secrets(outcome)
    if fault.outcome in ("refused", "cut"):
        first = seen.outcomes[alone(name)]
        assert outcome.error is not None
        assert (outcome.status, outcome.error) == (first.status, first.error)
    else:
        assert outcome.complete, outcome
        assert outcome.text.endswith("Hello there.")
    if fault.outcome == "cut":
        # Nothing of an answer that is no stream has been sent yet, so it is tried again.
        second = seen.outcomes[collected(paired(name))]
        assert (second.status, second.text) == (200, "Hello there.")
    assert seen.rows[paired(name)] == (2 if fault.outcome == "cut" else 1)


def _check_secrets(outcome: Outcome) -> None:
    for secret in (UPSTREAM_KEY, SECRET_ADDRESS, "127.0.0.1", "Traceback", "http://", "nginx"):
        assert secret not in outcome.body
