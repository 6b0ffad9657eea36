"""Failures of an attempt at an upstream."""

import logging
from dataclasses import dataclass
from typing import Literal

from forefront.wire.errors import RequestError

log = logging.getLogger(__name__)

# `request`: the upstream refuses the request itself, so every replica would. `overloaded`: it has no room now.
# `unreachable`: no connection, or none in time. `broken`: an answer that is not one, that ends early or stalls, a
# refused key, or an error of the upstream.
FailureKind = Literal["request", "overloaded", "unreachable", "broken"]


@dataclass(frozen=True, slots=True)
class AttemptFailure:
    """The part of a failure that the client does not see: its kind, by which the next attempt is chosen, and its text
    for the log. That may name addresses of the upstream, which the message for the client never does."""

    kind: FailureKind
    detail: str = ""


class UpstreamError(RequestError):
    """An attempt that failed. As a `RequestError` it is the error for the client if no other attempt follows.

    `detail` is for the log, by default the message. `replica` is the name of the replica, once the attempt has ended.
    """

    def __init__(
        self,
        failure: AttemptFailure,
        code: str,
        message: str,
        *,
        param: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(code, message, param=param, retry_after=retry_after)
        self.kind = failure.kind
        self.detail = failure.detail or message
        self.replica: str | None = None


def log_failure(error: UpstreamError) -> None:
    """Log refused requests as the client's fault, and all other failures as the operator's."""
    log.log(logging.DEBUG if error.kind == "request" else logging.WARNING, "%s", error.detail)
