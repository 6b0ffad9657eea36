"""JSON schemas and tools: their streams are valid after a move."""

import asyncio
import json
import random
import signal
from typing import Any, Final

import jsonschema

from tests.support.server import RunningServer
from torture.cluster.environment import Cluster, send_signal
from torture.cluster.streams import Stream, pauses, running_streams, story

_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "title": {"type": "string"},
        "items": {
            "type": "array",
            "minItems": 80,
            "items": {
                "type": "object",
                "properties": {"count": {"type": "integer"}, "color": {"enum": ["red", "green", "blue"]}},
                "required": ["count", "color"],
                "additionalProperties": False,
            },
        },
    },
    "required": ["title", "items"],
    "additionalProperties": False,
}
_FORMAT: Final = {"type": "json_schema", "json_schema": {"name": "list", "schema": _SCHEMA, "strict": True}}
_TOOL: Final = {"type": "function", "function": {"name": "save", "parameters": _SCHEMA, "strict": True}}
_TOKENS: Final = 1700
_AT_ONCE: Final = 16


async def structured_streams(cluster: Cluster, server: RunningServer) -> None:
    """A replica killed under streams of a JSON schema and of a tool call."""
    kinds: dict[str, dict[str, Any]] = {
        "JSON schemas": {"response_format": _FORMAT},
        "tool calls": {"tools": [_TOOL], "tool_choice": "required"},
    }
    for kind, fields in kinds.items():
        streams: list[Stream] = []
        for _ in range(cluster.harness.count(10)):
            await cluster.ready(server)
            victim = random.choice(cluster.replica_processes())
            requests = [story(_TOKENS, ignore_eos=False, logprobs=False, **fields) for _ in range(_AT_ONCE)]
            async with running_streams(server, requests) as tasks:
                send_signal([victim], signal.SIGKILL)
                streams += await asyncio.gather(*tasks)
        cluster.streams += streams
        invalid = sum(not _is_valid(stream) for stream in streams)
        moved = [stream for stream in streams if stream.moves]
        found = f"{len(streams)} streams, {len(moved)} moved, {invalid} invalid or with an error; {pauses(moved)}"
        cluster.report(f"replicas killed under {kind}", found, good=not invalid and bool(moved or not cluster.timed))


def _is_valid(stream: Stream) -> bool:
    try:
        jsonschema.validate(json.loads(stream.text), _SCHEMA)
    except (ValueError, jsonschema.ValidationError):
        return False
    return stream.whole
