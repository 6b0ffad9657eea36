"""The upstream that other tests rely on misbehaves according to its table."""

import asyncio
import time

import httpx
import pytest

from tests.support.upstreams.faulty_upstream import run_faulty_upstream
from tests.support.upstreams.upstream_answers import DONE, Answer, Hang, ReceivedRequest, stream, well, whole
from tests.support.upstreams.upstream_faults import UpstreamFault, upstream_faults

_PATH = "/chat/completions"


def test_correct_answers_and_received_text() -> None:
    with run_faulty_upstream() as upstream, httpx.Client(base_url=upstream.url) as client:
        assert client.get("/models").json()["data"][0]["id"] == "upstream-model"
        assert client.post(_PATH, json={"x": 1}).json()["choices"][0]["message"]["content"] == "Hello there."
        assert client.post(_PATH, json={"stream": True}).content.endswith(DONE)
        assert [request.json for request in upstream.completions] == [{"x": 1}, {"stream": True}]
        assert upstream.connections == 1
        assert upstream.requests[0].headers["host"] == f"127.0.0.1:{upstream.port}"


def test_scripts_and_paths() -> None:
    def second(request: ReceivedRequest) -> Answer:
        return whole({"path": request.path})

    with run_faulty_upstream() as upstream, httpx.Client(base_url=upstream.url) as client:
        upstream.script += [whole({}, status=503), second]
        upstream.paths["/v1/models"] = whole({}, status=404)
        assert client.post(_PATH, json={}).status_code == 503
        assert client.post(_PATH, json={}).json() == {"path": "/v1/chat/completions"}
        assert client.post(_PATH, json={}).json()["object"] == "chat.completion"
        assert client.get("/models").status_code == 404


def test_the_time_at_which_a_client_leaves() -> None:
    with run_faulty_upstream(stream(b": hi\n\n", Hang())) as upstream:
        with httpx.stream("POST", upstream.url + _PATH, json={}) as response:
            next(response.iter_raw())
        left = time.monotonic()
        while upstream.requests[0].left is None:
            assert time.monotonic() < left + 60
            time.sleep(0.005)
        assert upstream.open_connections == 0


def test_killed_and_started_again() -> None:
    with run_faulty_upstream(stream(b": hi\n\n", Hang())) as upstream:
        with httpx.stream("POST", upstream.url + _PATH, json={}) as response:
            upstream.kill()
            with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
                response.read()
        with pytest.raises(httpx.ConnectError):
            httpx.post(upstream.url + _PATH, json={})
        upstream.behaviour = well
        upstream.start()
        assert httpx.post(upstream.url + _PATH, json={}).status_code == 200


async def test_every_fault_is_seen_by_a_plain_client() -> None:
    """Each of them is an answer that `httpx` reads to its end, an error of it, or lasts."""
    faults = upstream_faults()
    with run_faulty_upstream() as upstream:
        paths = {f"/{number}": fault for number, fault in enumerate(faults.values())}
        upstream.paths |= {path: fault.answer for path, fault in paths.items()}
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{upstream.port}", timeout=None) as client:
            results = await asyncio.gather(*(_result(client, path, fault) for path, fault in paths.items()))
    seen = dict(zip(faults, results, strict=True))
    assert {seen[name] for name in seen if name.endswith(": well")} == {"200"}
    assert {seen[name] for name in seen if "resets" in name} == {"ReadError"}
    assert {seen[name] for name in seen if "hangs" in name} == {"lasts"}
    assert {seen[name] for name in seen if name.endswith("without end") and "a head" not in name} == {"lasts"}
    assert {name: seen[name] for name in seen if name.split()[1] in {"301", "400", "429", "503"}} == {
        name: name.split()[1] for name in seen if name.split()[1] in {"301", "400", "429", "503"}
    }


async def _result(client: httpx.AsyncClient, path: str, fault: UpstreamFault) -> str:
    try:
        seconds = 4 if fault.lasts else 60
        async with asyncio.timeout(seconds), client.stream("POST", path, json={"stream": fault.stream}) as response:
            async for _ in response.aiter_raw():
                pass
            return str(response.status_code)
    except httpx.HTTPError as error:
        return type(error).__name__
    except TimeoutError:
        return "lasts"
