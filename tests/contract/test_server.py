"""The server answers the contract's requests with answers of the recorded shape."""

import json
from typing import Any

import httpx
import pytest

from tests.contract.cases import Case, body_of, load
from tests.support.pauses import without_pauses
from tests.support.server import RunningServer

CASES = [case for case in load() if case.content.get("server")]
_EVENT = ": message\ndata: "


def misshapen(recorded: Any, answered: Any, path: str = "$") -> str | None:
    """Where the answer lacks what the recording has, or has it with another type; None when nowhere."""
    if recorded is None or answered is None:
        return None
    if isinstance(recorded, dict):
        if not isinstance(answered, dict):
            return f"{path} is no object"
        if missing := recorded.keys() - answered.keys():
            return f"{path} lacks {sorted(missing)}"
        parts = ((value, answered[name], f"{path}.{name}") for name, value in recorded.items())
    elif isinstance(recorded, list):
        if not isinstance(answered, list) or bool(recorded) != bool(answered):
            return f"{path} is no such list"
        parts = ((recorded[0], item, f"{path}[{index}]") for index, item in enumerate(answered))
    else:
        return None if _kind(recorded) == _kind(answered) else f"{path} is {answered!r}, not like {recorded!r}"
    return next((wrong for part in parts if (wrong := misshapen(*part))), None)


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "bool"
    return "number" if isinstance(value, int | float) else type(value).__name__


def answer_to(case: Case, server: RunningServer) -> httpx.Response:
    """What the real server answers to the request that an SDK would send."""
    request = case.exchanges[0]["request"]
    key = case.content.get("client", {}).get("api_key", server.key)
    with server.client(headers={"authorization": f"Bearer {key}"}) as client:
        return client.request(request["method"], request["path"], json=request.get("body"))


def test_the_server_has_contract_cases() -> None:
    assert {case.id.partition(":")[0] for case in CASES} >= {"chat", "errors", "models", "streams"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_answer_has_the_recorded_shape(case: Case, server: RunningServer) -> None:
    recorded = case.exchanges[0]["answer"]
    response = answer_to(case, server)
    assert response.status_code == recorded["status"]
    assert response.headers["content-type"] == recorded["headers"]["content-type"]
    assert response.headers["x-request-id"]
    if "x-should-retry" in recorded["headers"]:
        assert response.headers["x-should-retry"] == recorded["headers"]["x-should-retry"]
    if case.streams:
        check_stream(body_of(recorded).decode(), response.text)
        return
    wrong = misshapen(recorded["json"], response.json())
    assert wrong is None, wrong
    if error := recorded["json"].get("error"):
        names = ("type", "param", "code")
        assert [response.json()["error"][name] for name in names] == [error[name] for name in names]


def check_stream(recorded: str, answered: str) -> None:
    expected, given = events(recorded), events(answered)
    for place in (0, -1):
        wrong = misshapen(expected[place], given[place])
        assert wrong is None, wrong
    assert len({event["id"] for event in given}) == 1


def events(text: str) -> list[dict[str, Any]]:
    """The events of a stream that is framed as it has to be: the comment, one line of data, a blank line."""
    assert text.endswith("\n\n")
    frames = without_pauses(text).removesuffix("\n\n").split("\n\n")
    assert all(frame.startswith(_EVENT) and frame.count("\n") == 1 for frame in frames)
    *data, done = [frame.removeprefix(_EVENT) for frame in frames]
    assert done == "[DONE]"
    return [json.loads(item) for item in data]
