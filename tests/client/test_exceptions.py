"""The exception of each failure, and its message."""

import pickle
import socket
from typing import Any

import httpx
import msgspec
import pytest

import forefront
from forefront import (
    APIConnectionError,
    APIError,
    APIStatusError,
    APITimeoutError,
    BadRequestError,
    ForefrontClient,
    ForefrontError,
    InternalServerError,
    NotFoundError,
)
from forefront.client.exceptions import exception_for
from forefront.wire.errors import ERRORS, RequestError
from tests.client.fakes import USER, Server

CLASSES = {
    400: "BadRequestError",
    401: "AuthenticationError",
    403: "PermissionDeniedError",
    404: "NotFoundError",
    422: "UnprocessableEntityError",
    429: "RateLimitError",
    500: "InternalServerError",
    503: "InternalServerError",
    405: "APIStatusError",
    413: "APIStatusError",
}


def failure(answer: httpx.Response | Exception) -> APIError:
    with pytest.raises(APIError) as caught:
        Server(answer).client().chat.completions.create(messages=USER)
    return caught.value


@pytest.mark.parametrize(("status", "name"), CLASSES.items())
def test_statuses(status: int, name: str) -> None:
    assert exception_for(status) is getattr(forefront, name)


def test_an_out_of_range_field_is_a_bad_request() -> None:
    """Other servers answer 400 where ours has 422: one `except` serves both."""
    assert issubclass(forefront.UnprocessableEntityError, BadRequestError)


@pytest.mark.parametrize("code", ERRORS)
def test_every_error_of_the_table(code: str) -> None:
    sent = RequestError(code, "What went wrong.", param="messages[0]")
    content, status = msgspec.json.encode(sent.body()), ERRORS[code].status
    error = failure(httpx.Response(status, content=content, headers={"x-request-id": "req_1"}))
    assert isinstance(error, APIStatusError)
    assert type(error) is exception_for(status)
    assert (error.message, error.code, error.param) == ("What went wrong.", code, "messages[0]")
    assert (error.status_code, error.request_id) == (status, "req_1")
    assert str(error) == f"What went wrong. ({status} {code}, request req_1)"
    assert isinstance(error.body, dict)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"error": "plain"}, "plain"),
        ({"detail": "Not Found"}, "Not Found"),
        ({"message": "short"}, "short"),
        ({"error": {"message": None}}, "http://host answered 404 and did not say why."),
        ({"error": {"message": {"a": 1}}}, "http://host answered 404 and did not say why."),
        ([], "http://host answered 404 and did not say why."),
    ],
)
def test_errors_of_other_servers(body: Any, message: str) -> None:
    error = failure(httpx.Response(404, json=body))
    assert (type(error), error.message) == (NotFoundError, message)


def test_a_numeric_code_is_text() -> None:
    assert failure(httpx.Response(400, json={"error": {"message": "m", "code": 400}})).code == "400"


def test_the_html_page_of_a_proxy_is_not_shown() -> None:
    page = "<html>" + "nginx " * 10_000
    error = failure(httpx.Response(502, text=page, headers={"content-type": "text/html"}))
    assert isinstance(error, InternalServerError)
    assert "HTML page" in str(error)
    assert len(str(error)) < 200


def test_long_plain_text_errors_are_shortened() -> None:
    error = failure(httpx.Response(503, text="no\nhealthy upstream" + "!" * 10_000))
    assert str(error).startswith("http://host answered 503: no healthy upstream!!!")
    assert len(str(error)) < 400


def test_a_redirect_is_not_followed() -> None:
    error = failure(httpx.Response(307, headers={"location": "http://evil"}))
    assert type(error) is APIStatusError
    assert "redirect" in str(error)


@pytest.mark.parametrize(
    ("raised", "kind", "text"),
    [
        (httpx.ReadTimeout("x"), APITimeoutError, "No data from http://host for 600 s."),
        (httpx.ConnectTimeout("x"), APITimeoutError, "Cannot connect to http://host within 5 s."),
        (httpx.RemoteProtocolError("cut"), APIConnectionError, "The connection to http://host broke: cut."),
        (httpx.ReadError(""), APIConnectionError, "The connection to http://host broke: ReadError."),
    ],
)
def test_connections(raised: Exception, kind: type[APIError], text: str) -> None:
    error = failure(raised)
    assert type(error) is kind
    assert str(error) == text


def test_a_refused_connection_names_the_address_and_the_remedy() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: refuses
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with (
            ForefrontClient("sk-canary", base_url=url, http_client=httpx.Client(trust_env=False)) as client,
            pytest.raises(APIConnectionError) as caught,
        ):
            client.models.list()
    assert url in str(caught.value)
    assert "start one with `forefront serve`" in str(caught.value)
    assert "sk-canary" not in repr(caught.value) + str(caught.value)


async def test_async_refused_connection() -> None:
    server = Server(httpx.ConnectError("All connection attempts failed"))
    with pytest.raises(APIConnectionError, match="forefront serve"):
        await server.async_client().models.list()


def test_one_process_tree() -> None:
    assert APITimeoutError.__mro__[1:4] == (APIConnectionError, APIError, ForefrontError)
    for name in CLASSES.values():
        assert issubclass(getattr(forefront, name), APIStatusError)


def test_exceptions_travel_between_processes() -> None:
    error = BadRequestError("m", status_code=400, body={"a": 1}, code="c", param="p", request_id="r")
    copied = pickle.loads(pickle.dumps(error))
    assert type(copied) is BadRequestError
    assert vars(copied) == vars(error)
    assert str(copied) == str(error)
