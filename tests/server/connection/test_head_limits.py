"""Limits of a request's head: the number of headers, and the lengths of the target and of the host."""

import pytest

from tests.security.raw import exchange, request
from tests.support.server import RunningServer


def test_the_number_of_headers_is_limited(server: RunningServer) -> None:
    for count, status in ((256, 200), (257, 431), (16_000, 431)):
        headers = ["Host: x", "Connection: close", *["A:"] * (count - 2)]
        response = exchange(server.url, request("GET", "/health", *headers))
        assert (response.status, response.count, response.closed) == (status, 1, True), (count, response)


@pytest.mark.parametrize("target", ["http://{}/health", "HTTP://{}/health?"])
def test_a_target_is_limited_without_its_scheme_and_host(server: RunningServer, target: str) -> None:
    target = target.format("a" * 200) + "?" * (2**13 - len("/health") - target.endswith("?"))
    for more, status in (("", 200), ("x", 414)):
        response = exchange(server.url, request("GET", target + more, "Host: x", "Connection: close"))
        assert (response.status, response.count, response.closed) == (status, 1, True), response


def test_long_hosts_are_refused(server: RunningServer) -> None:
    for target, host in (("/health", "a" * 256), ("http://" + "a" * 300 + "/health", "x")):
        response = exchange(server.url, request("GET", target, f"Host: {host}", "Connection: close"))
        assert (response.status, response.closed) == (400, True)
