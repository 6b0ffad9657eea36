"""The span of a generation on a replica, a child of the span of its request on the server."""

import time

from forefront.cluster.protocol.frames import Submit
from forefront.observability.trace_context import received_trace
from forefront.observability.tracing import RequestTimes, Tracer


class GenerationTrace:
    """Begins when the replica receives `message`, and continues its `trace`. `first_token` comes before `end`."""

    __slots__ = ("_first_token", "_received", "_span")

    def __init__(self, tracer: Tracer, message: Submit) -> None:
        self._received = time.time()
        self._first_token: float | None = None
        attributes = {"forefront.prompt_tokens": len(message.prompt) // 4, "forefront.resumed": bool(message.resumed)}
        with received_trace(message.trace):
            self._span = tracer.start("generate", self._received, attributes)

    def first_token(self) -> None:
        """The first tokens are sent."""
        self._first_token = time.time()

    def end(self, sampled: int, cached: int, error: str | None) -> None:
        """The generation has ended here, with so many sampled tokens and prompt tokens found in the cache."""
        now = time.time()
        times = RequestTimes(self._received, self._received, self._first_token, now, now)
        self._span.end(times, {"forefront.sampled_tokens": sampled, "forefront.cached_tokens": cached}, error)
