"""Answers that fail before and after they have begun, as the `anthropic` client meets them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import pytest

from tests.support.backends.instant import KEY, Nursery
from tests.support.backends.scripted import Script, ScriptedBackend

SCRIPTS = {"late": Script("Hello", failure="engine_failed"), "early": Script(failure="overloaded")}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[anthropic.Anthropic]:
    folder: Path = tmp_path_factory.mktemp("failures")
    backends = {"scripted": ScriptedBackend(SCRIPTS)}
    with (
        Nursery().serve(f"sqlite:///{folder / 'store.db'}", folder / "log", backends=backends) as server,
        anthropic.Anthropic(base_url=server.url, api_key=KEY, max_retries=0) as opened,
    ):
        yield opened


@pytest.mark.parametrize(("name", "kind"), [("late", "api_error"), ("early", "overloaded_error")])
def test_a_stream_ends_with_an_error(client: anthropic.Anthropic, name: str, kind: str) -> None:
    events: list[str] = []
    messages: Any = [{"role": "user", "content": name}]
    with (
        pytest.raises(anthropic.APIStatusError) as caught,
        client.messages.create(model="scripted", max_tokens=9, messages=messages, stream=True) as stream,
    ):
        events.extend(event.type for event in stream)
    body: Any = caught.value.body
    assert (body["type"], body["error"]["type"]) == ("error", kind)
    begun = ["message_start", "content_block_start", "content_block_delta", "content_block_delta"]
    assert events == (begun if name == "late" else begun[:1])


@pytest.mark.parametrize(("name", "status"), [("late", 500), ("early", 529)])
def test_a_whole_message_gets_the_status(client: anthropic.Anthropic, name: str, status: int) -> None:
    with pytest.raises(anthropic.InternalServerError) as caught:
        client.messages.create(model="scripted", max_tokens=9, messages=[{"role": "user", "content": name}])
    assert caught.value.status_code == status
    assert caught.value.response.headers["x-should-retry"] == "true"


@pytest.mark.parametrize("path", ["/v1/v1/messages", "/messages", "/v1/v1/models", "/models"])
def test_a_wrong_base_url_is_not_a_missing_key(client: anthropic.Anthropic, path: str) -> None:
    headers = {"x-api-key": KEY, "anthropic-version": "2023-06-01", "authorization": ""}
    with pytest.raises(anthropic.NotFoundError, match=rf"at {path}\. Did you mean /v1/\w+\? .*Anthropic's does not"):
        client.with_options(default_headers=headers).get(path, cast_to=object)
