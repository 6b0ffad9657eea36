"""Calls of the Responses API."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from forefront.client.exceptions import InvalidArgumentError
from forefront.client.request import Call, check_names, path_part, post_call, query_call
from forefront.client.resources.params import ResponseParams
from forefront.client.settings import ClientSettings

_PATH: Final = "/v1/responses"


def response_call(settings: ClientSettings, given: object, stream: bool | None, params: Mapping[str, Any]) -> Call:
    """The call for a response. Raises `InvalidArgumentError`."""
    if given is not None and (isinstance(given, bytes | Mapping) or not isinstance(given, Iterable)):
        raise InvalidArgumentError("`input` must be a text or a list of items")
    check_names(params, ResponseParams.__optional_keys__)
    fields: dict[str, Any] = {} if given is None else {"input": given if isinstance(given, str) else list(given)}
    if stream is not None:
        fields["stream"] = stream
    return post_call(settings, _PATH, fields, params)


def retrieve_call(
    settings: ClientSettings, response_id: str, *, stream: bool = False, starting_after: int | None = None
) -> Call:
    """The call for a stored response, or for its events after a number. Raises `InvalidArgumentError`."""
    query: dict[str, Any] = {"stream": "true"} if stream else {}
    if starting_after is not None:
        query["starting_after"] = starting_after
    return _call(settings, "GET", response_id, query=query, stream=stream)


def delete_call(settings: ClientSettings, response_id: str) -> Call:
    """The call that deletes a stored response. Raises `InvalidArgumentError`."""
    return _call(settings, "DELETE", response_id)


def cancel_response_call(settings: ClientSettings, response_id: str) -> Call:
    """The call that cancels a response in the background. Raises `InvalidArgumentError`."""
    return _call(settings, "POST", response_id, "/cancel")


def input_items_call(settings: ClientSettings, response_id: str, query: Mapping[str, Any]) -> Call:
    """The call for a page of a response's input. Raises `InvalidArgumentError`."""
    return _call(settings, "GET", response_id, "/input_items", query=query)


def _call(
    settings: ClientSettings,
    method: str,
    response_id: str,
    rest: str = "",
    *,
    query: Mapping[str, Any] | None = None,
    stream: bool = False,
) -> Call:
    path = f"{_PATH}/{path_part('response_id', response_id)}{rest}"
    return query_call(settings, method, path, query or {}, stream=stream)
