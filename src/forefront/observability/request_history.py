"""The requests of the last hour in memory: sums in short intervals, and the slowest and the failed requests.

Written on the event loop. `snapshot` is safe to read in another thread. Memory is bounded: an interval has a fixed
number of groups, beyond which requests are counted for their model alone, and lists of requests have a fixed length.
"""

import heapq
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Final, Literal, Protocol

from forefront.observability.quantile_sketch import QuantileSketch

INTERVAL: Final = 15  # seconds
INTERVALS: Final = 240
OTHER: Final = "(other)"
MAX_GROUPS: Final = 256
MAX_FAILED: Final = 200
MAX_SLOWEST: Final = 20
_PERIOD: Final = INTERVAL * INTERVALS
_SLOW_WINDOW: Final = 60  # seconds; each window keeps its slowest requests


class SettledRequest(Protocol):
    """A request that has ended, as its row in the ledger has it. Times are in seconds since 1970."""

    @property
    def id(self) -> str:
        """The id of the completion."""

    @property
    def key_id(self) -> str:
        """The id of its key."""

    @property
    def project(self) -> str:
        """The project that pays."""

    @property
    def model(self) -> str:
        """The model."""

    @property
    def input_tokens(self) -> int:
        """Tokens of the prompt."""

    @property
    def cached_tokens(self) -> int:
        """Tokens of the prompt that came from the KV cache."""

    @property
    def output_tokens(self) -> int:
        """Tokens that were sampled."""

    @property
    def cost_nanos(self) -> int:
        """The cost, in billionths of the unit of money."""

    @property
    def status(self) -> Literal["completed", "aborted", "failed"]:
        """How it ended."""

    @property
    def finish_reason(self) -> str | None:
        """Why the answer of a completed request ended."""

    @property
    def received_at(self) -> float:
        """When the request was parsed."""

    @property
    def first_token_at(self) -> float | None:
        """When its first token was sampled."""

    @property
    def finished_at(self) -> float:
        """When it ended."""


@dataclass(slots=True)
class GroupSums:
    """Requests of one model, project and key in one interval. `errors` also counts requests that are in no ledger."""

    requests: int = 0
    errors: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    cost_nanos: int = 0
    first_token: QuantileSketch = field(default_factory=QuantileSketch)
    between_tokens: QuantileSketch = field(default_factory=QuantileSketch)


@dataclass(slots=True)
class HistoryInterval:
    """The sums of one interval from `start`, by model, project and key id. `running` and `waiting` are the most
    requests that were seen at a time, `errors` counts error responses by code."""

    start: int
    groups: dict[tuple[str, str, str], GroupSums] = field(default_factory=dict)
    running: int = 0
    waiting: int = 0
    errors: Counter[str] = field(default_factory=Counter)

    def group(self, model: str, project: str, key_id: str) -> GroupSums:
        """The sums of a group. Those of too many groups are together."""
        sums = self.groups.get((model, project, key_id))
        if sums is None:
            name = (model, project, key_id) if len(self.groups) < MAX_GROUPS else (model, OTHER, OTHER)
            sums = self.groups.setdefault(name, GroupSums())
        return sums


@dataclass(frozen=True, slots=True)
class FailedRequest:
    """A request that ended with an error. Without a row in the ledger, it has used no tokens."""

    request: SettledRequest
    error: str
    in_ledger: bool


class RequestHistory:
    """The last hour. `clock` is the time in seconds since 1970; a clock that was set back changes only the chart."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._intervals: deque[HistoryInterval] = deque(maxlen=INTERVALS)
        self._failed: deque[FailedRequest] = deque(maxlen=MAX_FAILED)
        self._slow: deque[tuple[int, list[tuple[float, int, SettledRequest]]]] = deque(maxlen=_PERIOD // _SLOW_WINDOW)
        self._order = count()
        self._seen_errors: Counter[str] = Counter()

    def add(
        self,
        request: SettledRequest,
        error: str | None,
        first_token: float | None = None,
        between_tokens: float | None = None,
    ) -> None:
        """Count a request that is in the ledger. `error` is the code of a failure, `first_token` the seconds to the
        first token, and `between_tokens` the mean time between two tokens."""
        sums = self._current().group(request.model, request.project, request.key_id)
        sums.requests += 1
        sums.input_tokens += request.input_tokens
        sums.cached_tokens += request.cached_tokens
        sums.output_tokens += request.output_tokens
        sums.cost_nanos += request.cost_nanos
        if first_token is not None:
            sums.first_token.add(first_token)
        if between_tokens is not None:
            sums.between_tokens.add(between_tokens)
        if error is not None:
            sums.errors += 1
            self._failed.append(FailedRequest(request, error, in_ledger=True))
        self._add_slow(request)

    def add_refused(self, request: SettledRequest, error: str) -> None:
        """Count a request that ended with an error before it used tokens. It is in no ledger."""
        self._current().group(request.model, request.project, request.key_id).errors += 1
        self._failed.append(FailedRequest(request, error, in_ledger=False))

    def sample(self, running: int, waiting: int, errors: Mapping[str, int]) -> None:
        """Record the load, and the error responses since the server's start by code. Called about once a second."""
        interval = self._current()
        interval.running = max(interval.running, running)
        interval.waiting = max(interval.waiting, waiting)
        if errors != self._seen_errors:
            interval.errors += Counter(errors) - self._seen_errors
            self._seen_errors = Counter(errors)

    def snapshot(self) -> list[HistoryInterval]:
        """The intervals of the last hour that have data. They no longer change."""
        oldest = self._clock() - _PERIOD
        intervals = [interval for interval in self._intervals if interval.start > oldest]
        if intervals:
            intervals[-1] = _copy(intervals[-1])
        return intervals

    def failed(self) -> list[FailedRequest]:
        """The latest failed requests of the last hour, latest first."""
        oldest = self._clock() - _PERIOD
        return [failed for failed in reversed(self._failed) if failed.request.finished_at > oldest]

    def slowest(self) -> list[SettledRequest]:
        """The requests of the last hour that took longest, in that order."""
        oldest = self._clock() - _PERIOD
        kept = (entry for _, window in self._slow for entry in window if entry[2].finished_at > oldest)
        return [request for *_, request in heapq.nlargest(MAX_SLOWEST, kept)]

    def _current(self) -> HistoryInterval:
        start = int(self._clock()) // INTERVAL * INTERVAL
        if not self._intervals or self._intervals[-1].start != start:
            self._intervals.append(HistoryInterval(start))
        return self._intervals[-1]

    def _add_slow(self, request: SettledRequest) -> None:
        window = int(request.finished_at) // _SLOW_WINDOW
        if not self._slow or self._slow[-1][0] != window:
            self._slow.append((window, []))
        heap = self._slow[-1][1]
        seconds = request.finished_at - request.received_at
        if len(heap) < MAX_SLOWEST:
            heapq.heappush(heap, (seconds, next(self._order), request))
        elif seconds > heap[0][0]:
            heapq.heapreplace(heap, (seconds, next(self._order), request))


def _copy(interval: HistoryInterval) -> HistoryInterval:
    groups = {
        name: replace(sums, first_token=sums.first_token.copy(), between_tokens=sums.between_tokens.copy())
        for name, sums in interval.groups.items()
    }
    return replace(interval, groups=groups, errors=interval.errors.copy())
