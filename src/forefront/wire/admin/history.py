"""Usage over time, requests of the last hour, and the state of budgets, for administrators.

Times are seconds since 1970, durations seconds, and amounts of money in the unit of the prices.
"""

from typing import Literal

import msgspec

from forefront.wire.admin.records import Budget, CompletionStatus, Limits, Period
from forefront.wire.record import Record

HistoryRange = Literal["hour", "day", "month"]
HistoryGroup = Literal["model", "project", "key"]


class LatencySeries(Record, kw_only=True):
    """Latencies in seconds for each interval; null without a request. A list is empty where it is not kept."""

    mean: list[float | None] = msgspec.field(default_factory=list)
    p50: list[float | None] = msgspec.field(default_factory=list)
    p95: list[float | None] = msgspec.field(default_factory=list)


class UsageSeries(Record, kw_only=True):
    """A value for each interval: requests in the ledger with their tokens and cost, and `errors`: requests that ended
    with an error, also before they used tokens. `errors` is empty where it is not kept."""

    requests: list[int]
    errors: list[int]
    input_tokens: list[int]
    cached_tokens: list[int]
    output_tokens: list[int]
    cost: list[float]
    time_to_first_token: LatencySeries
    inter_token_latency: LatencySeries


class UsageHistory(Record, kw_only=True):
    """Usage in intervals of `step` seconds from `start` on, of which the last has not ended at the time `now`.

    `range`: `hour` is measured by this server, with the load (`running`, `waiting`: the most at a time) and its error
    responses by code; `day` and `month` come from the ledger that all servers share. `groups` are the models, projects
    or ids of keys with the most requests, and `(other)` for the rest; `total` is the sum of all.
    """

    object: Literal["usage.history"] = "usage.history"
    range: HistoryRange
    by: HistoryGroup
    start: int
    step: int
    now: float
    total: UsageSeries
    groups: dict[str, UsageSeries]
    running: list[int] = msgspec.field(default_factory=list)
    waiting: list[int] = msgspec.field(default_factory=list)
    error_codes: dict[str, list[int]] = msgspec.field(default_factory=dict)


class EndedRequest(Record, kw_only=True):
    """A request of the last hour. `error` is the code of its failure; `ledger` is whether `/v1/usage/{id}` has it."""

    id: str
    key: str
    project: str
    model: str
    status: CompletionStatus
    finish_reason: str | None
    error: str | None
    ledger: bool
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    cost: float
    received: float
    started: float | None
    finished: float


class RecentRequests(Record, kw_only=True):
    """The requests of the last hour on this server that took longest, and those that failed, the latest first."""

    object: Literal["requests"] = "requests"
    slowest: list[EndedRequest]
    failed: list[EndedRequest]


class BudgetStatus(Record, kw_only=True):
    """The budget of a key or a project in its current period, which began on the day `since` (null for `ever`).

    `used` is settled, `held` is reserved for running requests, in tokens and in money. `left` is null where the budget
    sets no limit."""

    subject: Literal["key", "project"]
    id: str
    period: Period
    since: str | None
    tokens: int | None
    tokens_used: int
    tokens_held: int
    tokens_left: int | None
    money: float | None
    money_used: float
    money_held: float
    money_left: float | None


class BudgetList(Record, kw_only=True):
    """Every budget of a live key or a project."""

    object: Literal["list"] = "list"
    data: list[BudgetStatus]


class KeyLimits(Record, kw_only=True, forbid_unknown_fields=True):
    """The body of `PUT /admin/keys/{id}/limits`: all limits of a key, and its budget. By default
    there are none."""

    limits: Limits = msgspec.field(default_factory=Limits)
    budget: Budget | None = None
