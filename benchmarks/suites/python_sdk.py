"""The Python SDK beside httpx and the `openai` package: the cost of the import, of a request and of a chunk.

Costs are processor time of the client's process, which other work on the machine affects less than wall-clock time.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

import httpx
import openai

from benchmarks.report import table
from benchmarks.suites.canned import canned_server
from forefront import ForefrontClient

_REQUESTS, _CHUNKS = 300, 5000
_FIELDS: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
# The import, and the creation of a client: this SDK loads httpx only for the second.
_IMPORTS = {
    "httpx": ("import httpx", "httpx.Client()"),
    "forefront": ("import forefront", "forefront.ForefrontClient('KEY')"),
    "openai": ("import openai", "openai.OpenAI(api_key='KEY')"),
}


@dataclass
class Client:
    """One client library: `whole` returns the text of a completion, `stream` the number of chunks."""

    whole: Callable[[], str | None]
    stream: Callable[[int], int]


def run(repeats: int) -> None:
    """Print the table; the clients take turns in each of `repeats` rounds, and medians are shown."""
    bare = median(_processor_time("pass") for _ in range(3 * repeats))
    with canned_server() as url:
        clients = {"httpx": _by_hand(url), "forefront": _forefront(url), "openai": _openai(url)}
        requests: dict[str, list[float]] = {name: [] for name in clients}
        chunks: dict[str, list[float]] = {name: [] for name in clients}
        for turn in range(-1, repeats):  # the first warms up
            for name, client in clients.items():
                each = _request_cost(client), _chunk_cost(client)
                if turn >= 0:
                    requests[name].append(each[0])
                    chunks[name].append(each[1])
    rows = [
        [
            name,
            *(f"{1000 * (_import_cost(code, repeats) - bare):.0f}" for code in (first, f"{first}; {second}")),
            f"{1e6 * median(requests[name]):.0f}",
            f"{1e6 * median(chunks[name]):.1f}",
        ]
        for name, (first, second) in _IMPORTS.items()
    ]
    title = f"Python SDK (openai {openai.__version__}, httpx {httpx.__version__}, server on the same machine)"
    head = ["processor time", "import, ms over bare Python", "… and a client, ms", "µs per request", "µs per chunk"]
    table(title, head, rows)


def _import_cost(code: str, repeats: int) -> float:
    return median(_processor_time(code) for _ in range(3 * repeats))


def _processor_time(code: str) -> float:
    """Seconds of a process that runs `code` and ends."""
    begin = os.times()
    subprocess.run([sys.executable, "-c", code], check=True)
    end = os.times()
    return end.children_user + end.children_system - begin.children_user - begin.children_system


def _request_cost(client: Client) -> float:
    begin = time.process_time()
    for _ in range(_REQUESTS):
        assert client.whole() == "Hello"
    return (time.process_time() - begin) / _REQUESTS


def _chunk_cost(client: Client) -> float:
    begin = time.process_time()
    assert client.stream(_CHUNKS) == _CHUNKS
    return (time.process_time() - begin) / _CHUNKS


def _by_hand(url: str) -> Client:
    http = httpx.Client(base_url=url, headers={"authorization": "Bearer KEY"})

    def whole() -> str:
        body = http.post("/v1/chat/completions", json=_FIELDS).json()
        return str(body["choices"][0]["message"]["content"])

    def stream(count: int) -> int:
        chunks = 0
        body = {**_FIELDS, "stream": True, "max_tokens": count}
        with http.stream("POST", "/v1/chat/completions", json=body) as response:
            for line in response.iter_lines():
                if line.startswith("data: ") and line != "data: [DONE]":
                    chunks += len(json.loads(line[6:])["choices"])
        return chunks

    return Client(whole, stream)


def _forefront(url: str) -> Client:
    create = ForefrontClient("KEY", base_url=url).chat.completions.create

    def whole() -> str | None:
        content: str | None = create(**_FIELDS).choices[0].message.content
        return content

    def stream(count: int) -> int:
        return sum(len(chunk.choices) for chunk in create(**_FIELDS, stream=True, max_tokens=count))

    return Client(whole, stream)


def _openai(url: str) -> Client:
    create = openai.OpenAI(api_key="KEY", base_url=f"{url}/v1").chat.completions.create

    def whole() -> str | None:
        content: str | None = create(**_FIELDS).choices[0].message.content
        return content

    def stream(count: int) -> int:
        return sum(len(chunk.choices) for chunk in create(**_FIELDS, stream=True, max_tokens=count))

    return Client(whole, stream)
