"""What is tried again, and when; the rest of it is in the contract."""

import time
from email.utils import formatdate

import pytest

from forefront import (
    APIConnectionError,
    APIError,
    APIStatusError,
    APITimeoutError,
    InternalServerError,
    RateLimitError,
    Timeout,
)
from forefront.client.error_parsing import read_retry_after
from forefront.client.transport.retry import MAX_WAIT, RetryState, wait_before_retry


def failed(status: int, retry_after: float | None = None, **headers: str) -> APIStatusError:
    return APIStatusError("m", status_code=status, retry_after=retry_after, headers=headers)


def test_backoff_doubles_up_to_a_limit() -> None:
    waits = [wait_before_retry(failed(500), retries, 0) for retries in range(7)]
    assert waits == [0.5, 1, 2, 4, 8, 8, 8]
    assert wait_before_retry(failed(500), 0, 1) == 0.375
    assert wait_before_retry(failed(500), 100_000, 0) == 8


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (APIConnectionError("m"), True),
        (APITimeoutError("m"), True),
        (APITimeoutError("m", total=True), False),
        (APIError("m"), False),
        (failed(408), True),
        (failed(429), True),
        (failed(500), True),
        (failed(400), False),
        (failed(409), False),
    ],
)
def test_retryable_failures(error: APIError, again: bool) -> None:
    assert (wait_before_retry(error, 0, 0.5) is not None) == again


def test_the_server_chooses_the_wait() -> None:
    assert wait_before_retry(failed(429, 3), 0, 0.5) == 3
    assert wait_before_retry(failed(429, MAX_WAIT), 0, 0.5) == MAX_WAIT
    assert wait_before_retry(failed(429, MAX_WAIT + 1), 0, 0.5) is None


def test_a_retry_wait_beyond_the_timeout_is_not_started() -> None:
    error = failed(503, 5)
    with pytest.raises(APIStatusError) as caught:
        RetryState(Timeout(total=1), 2).pause_after(error)
    assert caught.value is error


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "2"}, 2),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "x", "retry-after": "9"}, 9),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "1e400"}, None),
        ({"retry-after": "²"}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0),
        ({"retry-after": "Wed, 99 Oct 99999999 07:28:00 GMT"}, None),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert read_retry_after(headers) == seconds


def test_a_future_date() -> None:
    seconds = read_retry_after({"retry-after": formatdate(time.time() + 30, usegmt=True)})
    assert seconds is not None
    assert 25 < seconds <= 30


def test_the_wait_is_reported() -> None:
    error = RateLimitError("slow down", status_code=429, code="rate_limit_exceeded", retry_after=2.5)
    assert str(error) == "slow down (429 rate_limit_exceeded, retry after 2.5 s)"
    assert str(InternalServerError("m", status_code=500)) == "m (500)"
