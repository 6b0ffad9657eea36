"""Faults of upstreams, as data: the answer of `FaultyUpstream`, and the result for the client."""

import gzip
import json
from dataclasses import dataclass
from typing import Any, Final, Literal

from tests.support.upstreams.upstream_answers import (
    DONE,
    Answer,
    Close,
    Forever,
    Hang,
    Pause,
    Reset,
    Step,
    chunk,
    chunks,
    completion,
    event,
    stream,
    whole,
)

Outcome = Literal["whole", "nothing", "cut", "refused", "endless"]


@dataclass(frozen=True, slots=True)
class UpstreamFault:
    """An answer to a whole (`stream` false) or a streamed request, and its outcome for a careful client.

    `whole`: the answer can be read to its end. `nothing`: it fails before its first token. `cut`: it fails after some
    of them. `refused`: the upstream rejects the request. `endless`: it does not end by itself.
    """

    answer: Answer
    stream: bool
    outcome: Outcome

    @property
    def lasts(self) -> bool:
        """Whether the answer goes on, or is silent, until the client leaves."""
        return any(isinstance(step, Forever | Hang) for step in (*self.answer.before, *self.answer.steps))


_BEGIN: Final = tuple(event(item) for item in chunks()[:3])
_ALL: Final = tuple(event(item) for item in chunks())
_EVENTS: Final = b"".join(_ALL) + DONE
_STREAM_HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Type: Text/Event-Stream; charset=utf-8\r\n"
_SIZED: Final = b"content-length: %d\r\n\r\n" % len(_EVENTS) + _EVENTS
_HINTS: Final = b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"
_BODY: Final = json.dumps(completion()).encode()
_HTML: Final = b"<html><head><title>502 Bad Gateway</title></head><body>nginx at http://10.1.2.3:8000/v1</body></html>"
SECRET_ADDRESS: Final = "10.1.2.3"
ELSEWHERE: Final = "http://10.1.2.3:8000/v1/chat/completions"


def _usage(usage: Any) -> tuple[Step, ...]:
    return (*_ALL[:-1], event(chunk(choices=[], usage=usage)), DONE)


def _error(status: int, message: str, code: str, kind: str = "invalid_request_error", **headers: str) -> Answer:
    body = {"error": {"message": message, "type": kind, "code": code, "param": None}}
    return whole(body, status=status, headers={name.replace("_", "-"): value for name, value in headers.items()})


_INSIDE: Final = {"error": {"message": f"CUDA out of memory on {SECRET_ADDRESS}", "type": "server_error", "code": 500}}

# For a client that reads errors by status, whether it requested a stream or not.
STATUSES: Final[dict[str, tuple[Answer, Outcome]]] = {
    "400": (_error(400, "max_tokens is too large: 99999999.", "invalid_value"), "refused"),
    "401": (_error(401, "Incorrect API key provided: sk-secret-upstream-key.", "invalid_api_key"), "nothing"),
    "403": (_error(403, "This key may not use the model.", "forbidden"), "nothing"),
    "404": (_error(404, "The model `upstream-model` does not exist.", "model_not_found"), "nothing"),
    "404 of HTML": (whole(_HTML, status=404, content_type="text/html"), "nothing"),
    "413": (_error(413, "Request too large.", "too_large"), "refused"),
    "422": (whole({"detail": [{"loc": ["body", "n"], "msg": "bad"}]}, status=422), "refused"),
    "429": (_error(429, "Rate limit reached.", "rate_limit_exceeded", retry_after="1"), "nothing"),
    "429 of HTML": (whole(_HTML, status=429, content_type="text/html"), "nothing"),
    "500": (_error(500, f"Traceback at {SECRET_ADDRESS}", "internal", "server_error"), "nothing"),
    "502 of HTML": (whole(_HTML, status=502, content_type="text/html"), "nothing"),
    "503": (_error(503, "Loading model", "unavailable", "unavailable_error", retry_after="2"), "nothing"),
    "503 empty": (whole(b"", status=503), "nothing"),
    "500 half a JSON": (whole(b'{"error": {"mess', status=500), "nothing"),
    "500 without end": (Answer((Forever(b"x" * 65536),), status=500), "nothing"),
    "204": (Answer(status=204, raw=True, before=(b"HTTP/1.1 204 No Content\r\n\r\n",)), "nothing"),
    "301": (whole(b"", status=301, headers={"location": ELSEWHERE}), "nothing"),
    "302": (whole(b"", status=302, headers={"location": ELSEWHERE}), "nothing"),
    "307": (whole(b"", status=307, headers={"location": ELSEWHERE}), "nothing"),
    "308": (whole(b"", status=308, headers={"location": ELSEWHERE}), "nothing"),
    "300 without location": (whole(b"", status=300), "nothing"),
}

# Below HTTP, for both kinds of requests.
CONNECTIONS: Final[dict[str, tuple[Answer, Outcome]]] = {
    "hangs before": (Answer(before=(Hang(),)), "nothing"),
    "resets before": (Answer(before=(Reset(),)), "nothing"),
    "closes before": (Answer(before=(Close(),)), "nothing"),
    "no HTTP": (Answer((b"SSH-2.0-OpenSSH_9.2\r\n", Close()), raw=True), "nothing"),
    "half a head": (Answer((b"HTTP/1.1 200 OK\r\ncontent-type: text/ev", Close()), raw=True), "nothing"),
    "hangs within the head": (Answer((b"HTTP/1.1 200 OK\r\ncontent-type: text/ev", Hang()), raw=True), "nothing"),
    "a head without end": (
        Answer((b"HTTP/1.1 200 OK\r\n", Forever(b"x-a: " + b"b" * 4000 + b"\r\n")), raw=True),
        "nothing",
    ),
    "100 without end": (Answer((Forever(b"HTTP/1.1 100 Continue\r\n\r\n", 0.01),), raw=True), "nothing"),
    "another protocol": (
        Answer((b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", Close()), raw=True),
        "nothing",
    ),
    "two content-lengths": (
        Answer((b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 5\r\n\r\n{}", Close()), raw=True),
        "nothing",
    ),
    "no chunk size": (
        Answer((b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n", Close()), raw=True),
        "nothing",
    ),
}

WHOLE: Final[dict[str, tuple[Answer, Outcome]]] = {
    "well": (whole(_BODY), "whole"),
    "slow first byte": (whole(_BODY, before=(Pause(0.3),)), "whole"),
    "byte by byte": (Answer((*(bytes([byte]) for byte in _BODY[:50]), _BODY[50:])), "whole"),
    "gzip": (whole(gzip.compress(_BODY), headers={"content-encoding": "gzip"}), "whole"),
    "broken gzip": (whole(gzip.compress(_BODY)[:-20], headers={"content-encoding": "gzip"}), "nothing"),
    "a gzip bomb": (
        whole(gzip.compress(b" " * 2**27), headers={"content-encoding": "gzip"}),
        "nothing",
    ),
    "no content type": (whole(_BODY, content_type=""), "whole"),
    "html": (whole(_HTML, content_type="text/html"), "nothing"),
    "empty": (whole(b""), "nothing"),
    "half a JSON": (whole(_BODY[: len(_BODY) // 2]), "nothing"),
    "an array": (whole([completion()]), "nothing"),
    "null": (whole(b"null"), "nothing"),
    "deep nesting": (whole(b"[" * 200_000), "nothing"),
    "error inside": (whole(_INSIDE), "nothing"),
    "no choices": (whole(completion(choices=[])), "nothing"),
    "choices of null": (whole(completion(choices=None)), "nothing"),
    "choices of text": (whole(completion(choices="x")), "nothing"),
    "a choice of null": (whole(completion(choices=[None])), "nothing"),
    "a message of null": (whole(completion(choices=[{"index": 0, "message": None}])), "nothing"),
    "a number as content": (whole(completion(choices=[{"index": 0, "message": {"content": 5}}])), "nothing"),
    "no usage": (whole(completion(usage=None)), "whole"),
    "negative usage": (whole(completion(usage={"prompt_tokens": -5, "completion_tokens": -1})), "whole"),
    "usage of text": (whole(completion(usage={"prompt_tokens": "7", "completion_tokens": "many"})), "whole"),
    "huge usage": (whole(completion(usage={"prompt_tokens": 10**30, "completion_tokens": 10**30})), "whole"),
    "usage as a list": (whole(completion(usage=[7, 3])), "whole"),
    "a stream": (Answer((*_ALL, DONE), content_type="text/event-stream"), "whole"),
    "resets within": (Answer((_BODY[:100], Pause(0.02), Reset())), "nothing"),
    "closes within": (Answer((_BODY[:100], Close())), "nothing"),
    "closes within, sized": (Answer((_BODY[:100], Close()), sized=True, length=len(_BODY)), "nothing"),
    "hangs within": (Answer((_BODY[:100], Hang())), "nothing"),
    "white space without end": (Answer((Forever(b" " * 65536),)), "nothing"),
    "text without end": (Answer((b'{"choices": "', Forever(b"x" * 65536))), "nothing"),
}

STREAMS: Final[dict[str, tuple[Answer, Outcome]]] = {
    "well": (stream(*_ALL, DONE), "whole"),
    "slow first byte": (stream(*_ALL, DONE, before=(Pause(0.3),)), "whole"),
    "slow first token": (stream(b": wait\n\n", Pause(0.3), *_ALL, DONE), "whole"),
    "in one piece": (stream(b"".join(_ALL) + DONE), "whole"),
    "byte by byte": (stream(*(bytes([byte]) for byte in b"".join(_ALL) + DONE)), "whole"),
    "CRLF": (stream(*(item.replace(b"\n", b"\r\n") for item in (*_ALL, DONE))), "whole"),
    "without spaces": (stream(*(item.replace(b"data: ", b"data:") for item in (*_ALL, DONE))), "whole"),
    "comments and fields": (
        stream(b": hi\n\n", b"event: message\nid: 5\nretry: 10\n" + _ALL[0], *_ALL[1:], DONE),
        "whole",
    ),
    "missing DONE": (stream(*_ALL), "whole"),
    "duplicated DONE": (stream(*_ALL, DONE, DONE), "whole"),
    "data after DONE": (stream(*_ALL, DONE, *_BEGIN), "whole"),
    "hangs after DONE": (stream(*_ALL, DONE, Hang()), "whole"),
    "gzip": (stream(gzip.compress(b"".join(_ALL) + DONE), headers={"content-encoding": "gzip"}), "whole"),
    "brotli": (stream(*_ALL, DONE, headers={"content-encoding": "br"}), "nothing"),
    "until the connection closes": (Answer((_STREAM_HEAD, b"\r\n", *_ALL, DONE, Close()), raw=True), "whole"),
    "early hints": (Answer((_HINTS, _STREAM_HEAD, _SIZED), raw=True), "whole"),
    "trailers": (
        Answer(
            (
                _STREAM_HEAD + b"transfer-encoding: chunked\r\n\r\n",
                b"%x\r\n%b\r\n" % (len(_EVENTS), _EVENTS),
                b"0\r\nx-checksum: 1\r\n\r\n",
            ),
            raw=True,
        ),
        "whole",
    ),
    "two responses": (Answer((2 * (_STREAM_HEAD + _SIZED),), raw=True), "whole"),
    "no usage": (stream(*_ALL[:-1], DONE), "whole"),
    "negative usage": (stream(*_usage({"prompt_tokens": -5, "completion_tokens": -1})), "whole"),
    "usage of text": (stream(*_usage({"prompt_tokens": "7", "completion_tokens": "many"})), "whole"),
    "huge usage": (stream(*_usage({"prompt_tokens": 10**30, "completion_tokens": 10**30})), "whole"),
    "usage in every chunk": (
        stream(*(event(item | {"usage": {"prompt_tokens": 7, "completion_tokens": 1}}) for item in chunks()), DONE),
        "whole",
    ),
    "chunks of 1 MB": (stream(*(event(chunk({"content": "x" * 2**20})) for _ in range(3)), *_ALL, DONE), "whole"),
    "no finish reason": (stream(*_ALL[:-2], DONE), "cut"),
    "html": (Answer((_HTML,), content_type="text/html"), "nothing"),
    "html as events": (stream(_HTML), "nothing"),
    "empty": (stream(), "nothing"),
    "only DONE": (stream(DONE), "nothing"),
    "a whole completion": (whole(_BODY), "whole"),
    "error inside": (whole(_INSIDE), "nothing"),
    "error first": (stream(event(_INSIDE), DONE), "nothing"),
    "error event first": (stream(b"event: error\n" + event(_INSIDE)), "nothing"),
    "error within": (stream(*_BEGIN, event(_INSIDE), DONE), "cut"),
    "half a JSON": (stream(*_BEGIN, _ALL[3][:30] + b"\n\n"), "cut"),
    "closes within an event": (stream(*_BEGIN, _ALL[3][:30], Close()), "cut"),
    "invalid UTF-8": (stream(*_BEGIN, _ALL[2].replace(b"there", b"\xff\xfe"), DONE), "cut"),
    "a chunk of null": (stream(*_BEGIN, event(None), DONE), "cut"),
    "choices of text": (stream(*_BEGIN, event(chunk(choices="x")), DONE), "cut"),
    "a number as content": (stream(*_BEGIN, event(chunk({"content": 5})), DONE), "cut"),
    "deep nesting": (stream(*_BEGIN, b"data: " + b"[" * 200_000 + b"\n\n", DONE), "cut"),
    "resets within": (stream(*_BEGIN, Pause(0.02), Reset()), "cut"),
    "closes within": (stream(*_BEGIN, Close()), "cut"),
    "hangs within": (stream(*_BEGIN, Hang()), "cut"),
    "hangs before the first token": (stream(Hang()), "nothing"),
    "resets before the first token": (stream(b": wait\n\n", Pause(0.02), Reset()), "nothing"),
    "tokens without end": (stream(*_BEGIN, Forever(event(chunk({"content": "x"})), 0.01)), "endless"),
    "white space without end": (stream(*_BEGIN, Forever(b"\n" * 4096, 0.01)), "cut"),
    "comments without end": (stream(*_BEGIN, Forever(b": " + b"x" * 4096 + b"\n\n", 0.01)), "cut"),
    "comments without a token": (stream(Forever(b": wait\n\n", 0.01)), "nothing"),
    "a line without end": (stream(*_BEGIN, b"data: ", Forever(b"x" * 65536)), "cut"),
    "empty chunks without end": (stream(*_BEGIN, Forever(event(chunk({})), 0.01)), "cut"),
}


def upstream_faults() -> dict[str, UpstreamFault]:
    """All of them by name; those that do not depend on the request's kind occur for both."""
    both = STATUSES | CONNECTIONS
    faults = {}
    for kind, streamed, table in (("whole", False, both | WHOLE), ("stream", True, both | STREAMS)):
        for name, (answer, outcome) in table.items():
            faults[f"{kind}: {name}"] = UpstreamFault(answer, streamed, outcome)
    return faults
