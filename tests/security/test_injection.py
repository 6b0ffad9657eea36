"""Text with a meaning for a database, a shell, a log or a template is plain text, on both databases."""

import itertools
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import msgspec
import pytest
import sqlalchemy as sa

from forefront.gateway.store.database import open_database
from forefront.gateway.store.tables import metadata
from forefront.server.connection.protocol import MAX_TARGET
from forefront.wire.admin.parse import ReportQuery
from forefront.wire.responses.queries import ItemsQuery, RetrieveQuery
from tests.security.conftest import Stored
from tests.security.errors import check_error, watched
from tests.security.raw import exchange, request
from tests.security.routes import fill, parametrised, route_table
from tests.support.server import run_server

STRINGS = [
    "' OR '1'='1",
    "'; DROP TABLE completions; --",
    '" OR ""="',
    "') UNION SELECT hash FROM api_keys --",
    "x' AND (SELECT 1 FROM pg_sleep(9)) IS NOT NULL --",
    "1; ATTACH DATABASE 'x' AS x",
    "\\'; SELECT 1; --",
    "%' OR name LIKE '%",
    "_",
    "$1",
    ":name",
    "%s%(x)s{0}{x.__class__}",
    "{{ 7*7 }}{% raw %}",
    "${jndi:ldap://x}`id`$(id)",
    "\u02bc OR 1=1 --",
    "x" * 5000,
]
# What no header may hold, but a path, a query and a JSON string may.
ODD = ["\0", "a\0b", "x\n", "\x1a", "\ufffd", "\u202e", "\r\nX-Injected: 1", "\U0001f600"]
HEADERS = [
    "Authorization: Bearer {}",
    "X-Api-Key: {}",
    "X-Request-Id: {}",
    "Idempotency-Key: {}",
    "User-Agent: {}",
    "Host: {}",
    "Origin: {}",
    "Referer: {}",
    "Cookie: {}",
    "Accept: {}",
    "Content-Type: {}",
    "X-Forwarded-For: {}",
    "OpenAI-Organization: {}",
    "{}: x",
]


def contents(stored: Stored) -> dict[str, list[Any]]:
    """Every row of every table but what running servers note of themselves."""
    database = open_database(stored.database_url)
    try:
        with database.read() as connection:
            tables = [table for table in metadata.sorted_tables if table.name not in ("servers", "store_revision")]
            return {table.name: sorted(map(str, connection.execute(sa.select(table)))) for table in tables}
    finally:
        database.close()


def test_in_every_header(stored: Stored) -> None:
    before = contents(stored)
    for header, text in itertools.product(HEADERS, STRINGS):
        line = header.format(text).encode().decode("latin-1")
        lines = [line, "Connection: close", f"X-Key: {text.encode().decode('latin-1')}"]
        if not header.startswith("Host"):
            lines.append("Host: x")
        if not header.startswith("Authorization"):
            lines.append(f"Authorization: Bearer {stored.server.key}")
        raw_response = exchange(stored.server.url, request("GET", "/v1/models", *lines))
        if header.startswith("Authorization"):
            assert raw_response.status == 401, (line, raw_response)
        else:
            # A name that is no name of a header makes it no HTTP at all, and so does a host that is none.
            assert raw_response.status in ((200, 400) if header.startswith(("{", "Host")) else (200,)), (
                line,
                raw_response,
            )
        if raw_response.status >= 400:
            check_error(raw_response.status, raw_response.body)
    assert contents(stored) == before


def test_in_every_path(stored: Stored, tmp_path: Path) -> None:
    pairs = parametrised(route_table(tmp_path))
    assert len(pairs) >= 6
    before = contents(stored)
    with watched(stored.server) as client:
        for (method, path), text in itertools.product(pairs, [*STRINGS, *ODD]):
            response = client.request(method, fill(path, quote(text, safe="")), json={})
            assert 400 <= response.status_code < 500, (method, path, text, response.text)
    assert contents(stored) == before


def test_in_every_query(stored: Stored) -> None:
    before = contents(stored)
    names = [*ReportQuery.__struct_fields__, "x"]
    with watched(stored.server) as client:
        assert client.get("/admin/usage", params={"by": "key", "key": "nobody"}).json()["data"] == []
        for name, text in itertools.product(names, [*STRINGS, *ODD]):
            response = client.get("/admin/usage", params={"by": "day,key", name: text})
            if response.status_code == 200:
                assert response.json()["data"] == [], (name, text, response.text)
            else:
                assert response.status_code == 422
                assert response.json()["error"]["param"] == name
        for path, text in itertools.product(("/v1/models", "/admin/keys", "/admin/projects", "/health"), STRINGS):
            response = client.get(path, params={"order": text, text: "1"})
            # The target of a request has a limit.
            assert response.status_code == (414 if len(response.request.url.raw_path) > MAX_TARGET else 200)
    assert contents(stored) == before


def test_in_every_query_and_id_of_stored_responses(stored: Stored) -> None:
    fields = {"model": "tiny", "input": "x", "max_output_tokens": 1, "store": True}
    with watched(stored.server) as client:
        name = client.post("/v1/responses", json=fields).json()["id"]
        before = contents(stored)
        for text in [*STRINGS, *ODD]:
            for path, names in (("", RetrieveQuery.__struct_fields__), ("/input_items", ItemsQuery.__struct_fields__)):
                for parameter in (*names, "x"):
                    response = client.get(f"/v1/responses/{name}{path}", params={parameter: text})
                    assert response.status_code in (404, 422), (parameter, text, response.text)
                    assert response.json()["error"]["param"].startswith(parameter)
            assert client.post("/v1/responses", json=fields | {"previous_response_id": text}).status_code in (404, 422)
            assert client.post("/v1/responses", json=fields | {"conversation": text}).status_code in (404, 422)
            item = {"type": "item_reference", "id": text}
            assert client.post("/v1/responses", json=fields | {"input": [item]}).status_code in (404, 422)
        assert contents(stored) == before
        assert client.delete(f"/v1/responses/{name}").json()["deleted"] is True


def test_in_every_text_of_a_body(stored: Stored) -> None:
    """What is taken comes back as it was sent, and nothing else has changed."""
    with watched(stored.server) as client:
        keys = len(client.get("/admin/keys").json()["data"])
        made = 0
        for text in [*STRINGS, *ODD]:
            fields: dict[str, Any] = {"name": text[:100], "models": [text[:200]], "scopes": ["models"]}
            response = client.post("/admin/keys", json=fields)
            assert client.post("/admin/keys", json={"name": "x", "project": text}).status_code in (201, 422)
            if re.search(r"[\x00-\x1f\u202e]", text):
                assert response.status_code == 422
                continue
            assert response.status_code == 201, response.text
            made += 1
            shown = client.get(f"/admin/keys/{response.json()['id']}").json()
            assert {name: shown[name] for name in fields} == fields
            unknown = {"model": text, "messages": [{"role": "user", "content": "x"}]}
            assert client.post("/v1/chat/completions", json=unknown).status_code == 404
        projects = [project["name"] for project in client.get("/admin/projects").json()["data"]]
        assert all(re.fullmatch(r"[\w.-]+", name, re.ASCII) for name in projects)
        assert len(client.get("/admin/keys").json()["data"]) >= keys + made


def test_content_and_parameters_are_text(stored: Stored) -> None:
    with watched(stored.server) as client:
        for text in [*STRINGS, *ODD]:
            fields: dict[str, Any] = {"model": "tiny", "messages": [{"role": "user", "content": text, "name": text}]}
            fields |= {"max_tokens": 1, "stop": [text], "user": text, "metadata": {"x": text}, text: text}
            response = client.post("/v1/chat/completions", json=fields)
            if response.status_code == 422:  # a text too long, or with a form that a field does not have
                assert response.json()["error"]["param"]
                continue
            assert response.status_code in (200, 400), response.text
            assert "x-injected" not in response.headers
            ignored = response.headers.get("x-ignored-params", "")
            assert ignored.isascii()
            assert ignored.isprintable()


@pytest.mark.parametrize(
    "given", ["two words", "a\tb", "\x7f", "é", "x" * 129, "", "a,b: c", "%0d%0aX-Injected: 1", "\x80"]
)
def test_request_ids_cannot_carry_headers(stored: Stored, given: str) -> None:
    raw_response = exchange(
        stored.server.url, request("GET", "/health", "Host: x", f"X-Request-Id: {given}", "Connection: close")
    )
    if raw_response.status == 400:  # no header may hold it
        assert not given.isprintable()
        return
    head = raw_response.content.partition(b"\r\n\r\n")[0].decode("latin-1").lower().split("\r\n")
    ids = [line.partition(": ")[2] for line in head if line.startswith("x-request-id: ")]
    assert len(ids) == 1
    fit = given.isascii() and given.isprintable() and 0 < len(given) <= 128 and " " not in given
    assert (ids[0] == given.lower()) if fit else ids[0].startswith("req_")
    assert not any(line.startswith("x-injected") for line in head)


def test_an_unknown_model_name_appears_only_in_the_body(stored: Stored) -> None:
    with watched(stored.server) as client:
        name = "x\r\nX-Injected: 1\r\n\r\n<script>"
        response = client.post(
            "/v1/chat/completions", json={"model": name, "messages": [{"role": "user", "content": "x"}]}
        )
    assert response.status_code == 404
    assert "x-injected" not in response.headers
    assert response.headers["content-type"] == "application/json"
    assert msgspec.json.decode(response.content)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["human", "json"])
def test_clients_cannot_inject_log_lines(form: str, tiny_gguf: Path, tmp_path: Path) -> None:
    """Paths are logged decoded, also of those who have no key."""
    odd = [
        "\n",
        "\r\n",
        "\x1b[2J",
        "\x7f",
        "\x85",
        "\x9b31m",
        "\u2028",
        "\u202e",
        "\u200b",
        "\ue000",
        "\u0378",
        " status=200 key=key_1 ",
    ]
    forged = "2026-01-01 00:00:00,000 INFO forefront.server.middleware.request_context: request"
    variables = {"FOREFRONT_LOG_FORMAT": form}
    with (
        run_server([f"tiny={tiny_gguf}"], tmp_path / "home", environment=variables) as server,
        server.client() as client,
    ):
        before = len(server.log.read_text().split("\n"))
        for text in odd:
            assert httpx.get(f"{server.url}/{quote(text + forged)}").status_code == 401
            assert client.get(f"/v1/models/{quote(text + forged)}").status_code == 404
        lines = server.log.read_text().split("\n")[before - 1 : -1]
    assert len(lines) == 2 * len(odd)
    assert all(line.isprintable() for line in lines)
    if form == "json":
        assert [json.loads(line)["path"].removeprefix("/v1/models")[1:] for line in lines[::2]] == [
            text + forged for text in odd
        ]
        return
    for line in lines:
        assert re.findall(r" (?:path|status|key)=", line) in ([" path=", " status="], [" path=", " status=", " key="])
