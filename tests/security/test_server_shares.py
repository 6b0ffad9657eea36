"""One project cannot use up the resources of others, and cannot see objects outside its keys."""

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from forefront.fairness.tenant import Tenant
from forefront.gateway.keys.key_store import KeyStore
from forefront.gateway.store.database import Database, open_database
from forefront.server.sending import send_body as pieces
from forefront.server.store_calls import StoreCalls
from forefront.wire.admin.records import NewKey
from tests.server.routes.admin.test_admin_routes import make_key
from tests.support.backends.instant import KEY, MODEL, Instant, Nursery
from tests.support.programs.postgres import new_database
from tests.support.server import RunningServer, run_server
from torture.client import CHAT, Answer, Client

CHAT_FIELDS: dict[str, Any] = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2}


@pytest.fixture(params=["sqlite", "postgres"])
def instant(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Instant, Database]]:
    """A server that answers at once, and its store."""
    url = f"sqlite:///{tmp_path / 'f.db'}"
    if request.param == "postgres":
        url = new_database(request.getfixturevalue("postgres"))
    with Nursery().serve(url, tmp_path / "log") as server:
        database = open_database(url)
        yield server, database
        database.close()


def key_for(database: Database, project: str) -> str:
    """The text of a new key."""
    return KeyStore(database).create(NewKey(name=project, project=project)).key


async def ask(server: Instant, key: str, name: str, large: bool = False) -> Answer:
    """A completion under an idempotency key; a large one is of 7 MB."""
    content, count = ("x" * 2_000_000, 350) if large else ("Hi", 3)
    fields = {"model": MODEL, "messages": [{"role": "user", "content": content}], "max_tokens": count}
    client = Client(server.url, key)
    answer = await client.send("POST", CHAT, json.dumps(fields).encode(), idempotency_key=name)
    client.abort()
    return answer


async def test_a_flood_of_answers_does_not_evict_another_projects_replay(instant: tuple[Instant, Database]) -> None:
    """Twelve of 7 MB are more than the store of replays has room for."""
    server, database = instant
    greedy, modest = key_for(database, "greedy"), key_for(database, "modest")
    first = await ask(server, modest, "retried")
    flood = [await ask(server, greedy, f"flood-{number}", large=True) for number in range(12)]
    assert {answer.status for answer in flood} == {200}
    again = await ask(server, modest, "retried")
    assert again.headers["idempotent-replayed"] == "true"
    assert again.body == first.body
    report = await Client(server.url, KEY).get("/admin/usage?by=project&project=modest")
    assert report["data"][0]["requests"] == 1
    latest, earliest = [await ask(server, greedy, f"flood-{number}", large=True) for number in (11, 0)]
    assert latest.completion == flood[11].completion
    assert "idempotent-replayed" not in earliest.headers


NAMES = ["forefront-mini", "nothing", "forefront-min", "tin", "Tiny", "x" * 200]


def test_a_model_outside_a_keys_list_looks_unknown(server: RunningServer) -> None:
    """`forefront-mini` is served and the others are not: no response reveals which."""
    _, narrow = make_key(server, models=["tiny", "planned"])
    with narrow:
        assert [model["id"] for model in narrow.get("/v1/models").json()["data"]] == ["tiny"]
        assert narrow.get("/v1/models/tiny").status_code == 200
        assert narrow.post(CHAT, json=CHAT_FIELDS | {"model": "tiny"}).status_code == 200
        responses = set()
        for name in NAMES:
            answers = [narrow.get(f"/v1/models/{name}")]
            answers += [narrow.post(path, json=CHAT_FIELDS | {"model": name}) for path in (CHAT, f"{CHAT}/preflight")]
            answers += [narrow.post("/v1/completions", json={"model": name, "prompt": "Hi"})]
            for answer in answers:
                text = answer.text.replace(f"`{name[:128]}`", "NAME")
                headers = {key for key in answer.headers if key not in ("date", "content-length")}
                responses.add((answer.status_code, text, answer.headers["x-should-retry"], *sorted(headers)))
                assert "forefront-mini" not in text
        assert len(responses) == 1, responses
        assert json.loads(next(iter(responses))[1])["error"]["code"] == "model_not_allowed"


def test_an_unserved_model_of_a_keys_list_is_named_alone(server: RunningServer) -> None:
    _, narrow = make_key(server, models=["tiny", "forefront-mimi"])
    _, empty = make_key(server, models=["forefront-mimi"])
    with narrow, empty:
        for client in (narrow, empty):
            answers = [client.get("/v1/models/forefront-mimi")]
            answers += [client.post(CHAT, json=CHAT_FIELDS | {"model": "forefront-mimi"})]
            for answer in answers:
                assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")
                assert "forefront-mini" not in answer.text
        assert "Served: `tiny`." in narrow.get("/v1/models/forefront-mimi").text
        assert empty.get("/v1/models").json()["data"] == []


def test_objects_of_other_projects_look_absent(server: RunningServer) -> None:
    """Completions by id, and idempotency keys."""
    _, one = make_key(server, project="one-of-two")
    _, two = make_key(server, project="two-of-two")
    with one, two:
        answer = one.post(CHAT, json=CHAT_FIELDS | {"model": "tiny"}, headers={"idempotency-key": "shared"})
        theirs, none = two.get(f"/v1/usage/{answer.json()['id']}"), two.get("/v1/usage/chatcmpl-none")
        assert (theirs.status_code, theirs.content) == (none.status_code, none.content)
        other = two.post(CHAT, json=CHAT_FIELDS | {"model": "tiny", "n": 2}, headers={"idempotency-key": "shared"})
        assert other.status_code == 200


async def test_a_backlog_of_store_calls_delays_no_other_project() -> None:
    """Ten hanging calls of one project; as soon as one ends, another project's goes first."""
    off_loop, gate, order = StoreCalls(2), threading.Event(), []

    def slow() -> None:
        gate.wait(60)
        order.append("greedy")

    backlog = [asyncio.ensure_future(off_loop(slow, Tenant("greedy"))) for _ in range(10)]
    await asyncio.sleep(0.05)
    late = asyncio.ensure_future(off_loop(lambda: order.append("modest"), Tenant("modest")))
    await asyncio.sleep(0.05)
    gate.set()
    await asyncio.gather(late, *backlog)
    assert order.index("modest") <= 3


async def test_an_unread_body_is_sent_in_pieces() -> None:
    """Each piece waits until `send` has taken the one before."""
    sent: list[bytes] = []

    async def send(message: Any) -> None:
        sent.append(message["body"])
        if len(sent) == 3:
            await asyncio.Event().wait()

    task = asyncio.ensure_future(pieces.send_body(send, bytes(2**20)))
    await asyncio.sleep(0)
    assert sum(map(len, sent)) < 2**18
    task.cancel()
    whole: list[Any] = []

    async def take(message: Any) -> None:
        whole.append(message)

    for body in (b"", b"a", bytes(range(256)) * 1024, bytes(2**16)):
        whole.clear()
        await pieces.send_body(take, body)
        assert b"".join(message["body"] for message in whole) == body
        assert [message.get("more_body", False) for message in whole] == [True] * (len(whole) - 1) + [False]


def test_a_whole_answer_that_needs_too_much_memory_is_refused(tiny_gguf: Path, tmp_path: Path) -> None:
    """Sixteen times 400 tokens with twenty alternatives each are 10 MB; a key of this server may hold 2.7 MiB."""
    variables = {"FOREFRONT_SERVER_BODY_MEMORY_MIB": "8"}
    fields = CHAT_FIELDS | {"model": "tiny", "max_tokens": 400, "n": 16, "logit_bias": {"2": -100}}
    fields |= {"logprobs": True, "top_logprobs": 20}
    text = {"model": "tiny", "prompt": "Hi", "max_tokens": 400, "n": 16, "logprobs": 20, "logit_bias": {"2": -100}}
    with run_server([f"tiny={tiny_gguf}"], tmp_path / "home", environment=variables) as server:
        _, client = make_key(server, project="large")
        with client, server.client() as admin:
            for path, request_fields in ((CHAT, fields), ("/v1/completions", text)):
                refused = client.post(path, json=request_fields)
                assert (refused.status_code, refused.json()["error"]["code"]) == (429, "rate_limit_exceeded")
                assert refused.headers["x-should-retry"] == "false"
                assert client.post(path, json=request_fields | {"n": 1, "max_tokens": 40}).status_code == 200
            with client.stream("POST", CHAT, json=fields | {"stream": True}) as streamed:
                assert sum(1 for line in streamed.iter_lines() if line == "data: [DONE]") == 1
            report = admin.get("/admin/usage", params={"by": "project", "project": "large"}).json()["data"][0]
    assert report["requests"] == 5
