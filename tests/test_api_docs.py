"""docs/api.md is true, and has every field."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from forefront.server.openapi.operations.all_operations import OPERATIONS
from forefront.wire.completions.request import ChatRequest, CompletionRequest, SampledRequest
from forefront.wire.errors import ERRORS
from tests.support.server import RunningServer

PAGE = Path("docs/api.md").read_text()
COMMANDS = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)


def section(title: str) -> str:
    return PAGE.split(f"## {title}\n")[1].split("\n## ")[0]


@pytest.mark.parametrize(
    ("title", "fields"),
    [
        ("Fields of both endpoints", set(SampledRequest.__struct_fields__)),
        ("Fields of chat completions", set(ChatRequest.__struct_fields__) - set(SampledRequest.__struct_fields__)),
        (
            "Fields of text completions",
            set(CompletionRequest.__struct_fields__) - set(SampledRequest.__struct_fields__),
        ),
    ],
)
def test_every_field_has_its_row(title: str, fields: set[str]) -> None:
    rows = re.findall(r"^\| (`.*?) \|", section(title), re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == fields


def test_every_error_code_is_listed_at_its_status() -> None:
    listed: dict[str, set[str]] = {}
    for statuses, codes in re.findall(r"^\| (\d{3}(?:, \d{3})*) \| (.*) \|$", section("Error statuses"), re.MULTILINE):
        for code in re.findall(r"`(\w+)`", re.sub(r"\(.*?\)", "", codes)):
            listed[code] = set(statuses.split(", "))
    assert listed.keys() == ERRORS.keys()
    assert [code for code, kind in ERRORS.items() if str(kind.status) not in listed[code]] == []


def test_every_endpoint_is_listed() -> None:
    table = PAGE.split("## ")[0]
    listed = [path.replace("*", "") for path in re.findall(r"(/[\w/{}*]+)`", table)]
    described = [operation.path for operation in OPERATIONS if operation.path.startswith(("/v1/", "/admin/"))]
    assert [path for path in described if not any(path.startswith(prefix) for prefix in listed)] == []


def run(command: str, server: RunningServer) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(output(command.replace("curl ", "curl --silent ", 1), server))
    return answer


def output(command: str, server: RunningServer) -> str:
    environment = {"URL": server.url, "KEY": server.key, "PATH": os.environ["PATH"]}
    shown = subprocess.run(
        ["bash", "-euc", command],
        env=environment,
        capture_output=True,
        check=True,
        timeout=60,
    )
    return shown.stdout.decode()


def test_the_documented_commands_work(server: RunningServer) -> None:
    person, weather, preflight = [run(command, server) for command in COMMANDS[:3]]
    schema = json.loads(COMMANDS[0].split("--data '")[1].rstrip().rstrip("'"))["response_format"]["json_schema"][
        "schema"
    ]
    jsonschema.validate(json.loads(person["choices"][0]["message"]["content"]), schema)
    [call, *_] = weather["choices"][0]["message"]["tool_calls"]
    assert call["function"]["name"] == "get_weather"
    assert "city" in json.loads(call["function"]["arguments"])
    assert preflight["fits"] is True
    assert "Hello" in preflight["prompt"]


def test_the_commands_for_tokens(server: RunningServer) -> None:
    tokenize, detokenize = COMMANDS[3].split("curl $URL/v1/detokenize")
    tokens = run(tokenize, server)
    assert "".join(tokens["token_strs"]) == "Once upon a time"
    assert tokens["count"] == len(tokens["tokens"])
    assert isinstance(run("curl $URL/v1/detokenize" + detokenize, server)["prompt"], str)


def test_a_repeated_request_gets_the_same_answer(server: RunningServer) -> None:
    [command] = COMMANDS[4:]
    described = output(command, server)
    bodies = re.findall(r"^\{.*?(?=HTTP/1.1|\Z)", described, re.MULTILINE | re.DOTALL)
    assert len(bodies) == 2
    assert bodies[0].strip() == bodies[1].strip()
    assert described.count("idempotent-replayed: true") == 1
    assert described.index("idempotent-replayed") > described.index(bodies[0][:40])
