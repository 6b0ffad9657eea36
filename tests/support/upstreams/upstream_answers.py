"""Answers of an upstream as lists of steps, and the right answers as data."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

MODEL = "upstream-model"


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing is sent for so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Forever:
    """The same bytes, again and again until the client leaves, `seconds` apart."""

    data: bytes
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Hang:
    """Nothing more is sent. The connection stays open until the client leaves."""


@dataclass(frozen=True, slots=True)
class Reset:
    """The connection ends with a TCP reset."""


@dataclass(frozen=True, slots=True)
class Close:
    """The connection ends without the end of the body."""


Step = bytes | Pause | Forever | Hang | Reset | Close


@dataclass(frozen=True, slots=True)
class Answer:
    """A response. `before` happens before the status line, `steps` are the body: each `bytes` is one chunk.

    `raw` leaves the bytes of `before` and `steps` as they are and sends no head. `sized` sends a content-length, of
    `length` bytes if given, in place of chunks.
    """

    steps: tuple[Step, ...] = ()
    status: int = 200
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    before: tuple[Step, ...] = ()
    sized: bool = False
    length: int | None = None
    raw: bool = False


@dataclass(slots=True)
class ReceivedRequest:
    """A request that came. Header names are in lower case. `left` is the time (`time.monotonic`) at which the client
    closed the connection before its answer was complete."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    connection: int
    left: float | None = None

    @property
    def json(self) -> Any:
        """The parsed body."""
        return json.loads(self.body)

    @property
    def streams(self) -> bool:
        """Whether a stream is requested."""
        return bool(self.body) and self.json.get("stream") is True


Behaviour = Answer | Callable[[ReceivedRequest], Answer]


def completion(text: str = "Hello there.", **fields: Any) -> dict[str, Any]:
    """The body of a whole chat completion."""
    message = {"role": "assistant", "content": text}
    return {
        "id": "chatcmpl-upstream",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": MODEL,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
    } | fields


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, **fields: Any) -> dict[str, Any]:
    """A chunk of a stream."""
    choices = [{"index": 0, "delta": delta or {}, "finish_reason": finish, "logprobs": None}]
    return {
        "id": "chatcmpl-upstream",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": MODEL,
        "choices": choices,
    } | fields


def chunks(tokens: tuple[str, ...] = ("Hello", " there", "."), finish: str = "stop") -> list[dict[str, Any]]:
    """The chunks of a stream with usage at its end."""
    usage = {"prompt_tokens": 7, "completion_tokens": len(tokens), "total_tokens": 7 + len(tokens)}
    return [
        chunk({"role": "assistant", "content": ""}),
        *(chunk({"content": token}) for token in tokens),
        chunk(finish=finish),
        chunk(choices=[], usage=usage),
    ]


def event(data: Any) -> bytes:
    """A server-sent event."""
    return b"data: " + json.dumps(data, ensure_ascii=False).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"


def whole(body: Any, **options: Any) -> Answer:
    """A JSON response with a content-length."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer((data,), sized=True, **options)


def stream(*steps: Step, **options: Any) -> Answer:
    """A response of server-sent events."""
    return Answer(steps, content_type="text/event-stream", **options)


def well(request: ReceivedRequest) -> Answer:
    """The right answer."""
    if request.method == "GET":
        return whole({"object": "list", "data": [{"id": MODEL, "object": "model", "owned_by": "tests"}]})
    if request.streams:
        return stream(*map(event, chunks()), DONE)
    return whole(completion())
