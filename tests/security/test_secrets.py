"""A key is in no output: not in logs, errors, answers, files, other processes or the database."""

import base64
import hmac
import os
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from forefront.gateway.keys.api_key import hash_key
from forefront.gateway.keys.key_cache import KeyCache
from forefront.gateway.keys.key_store import KeyStore
from forefront.gateway.store.database import Database
from forefront.wire.admin.records import NewKey
from tests.gateway.conftest import database, database_url  # noqa: F401 - fixtures
from tests.security.raw import exchange, request
from tests.support.programs.postgres import new_database
from tests.support.server import RunningServer, run_server

CANARY = "canary-adopted-key-5150-feedface"
PASSWORD = "canary-password-8086"


class Watch:
    """Reads the environment and the command line of every child process of the servers with that home, as often as it
    can."""

    def __init__(self, home: Path) -> None:
        self.seen: list[bytes] = []
        self._home = str(home).encode()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._done.wait(0.1):
            for process in Path("/proc").glob("[0-9]*"):
                try:
                    line, environment = (process / "cmdline").read_bytes(), (process / "environ").read_bytes()
                    if b"forefront.chat." in line and self._home in (_parent(process) / "environ").read_bytes():
                        self.seen.append(line + environment)
                except OSError:
                    continue


def _parent(process: Path) -> Path:
    state = (process / "stat").read_text().rpartition(")")[2].split()
    return process.with_name(state[1])


def use(server: RunningServer, key: str) -> list[bytes]:
    """Put the key where it belongs and where it does not; all that comes back."""
    answers = []
    basic = base64.b64encode(f"user:{key}".encode()).decode()
    for target, *headers in (
        ("/v1/models", f"Authorization: Bearer {key}"),
        ("/v1/models", f"Authorization: bearer  {key} "),
        ("/v1/models", f"Authorization: {key}"),
        ("/v1/models", f"Authorization: Basic {basic}"),
        ("/v1/models", f"Authorization: Bearer {key}x"),
        ("/v1/models", f"X-Api-Key: {key}"),
        ("/v1/messages", f"X-Api-Key: {key}"),
        ("/v1/messages/nothing", f"X-Api-Key: {key}x"),
        (f"/v1/models?api_key={key}", "X: y"),
        ("/admin/usage", f"Authorization: Bearer {key}"),
        ("/nothing", f"Authorization: Bearer {key}"),
        ("/ready", f"Cookie: key={key}"),
    ):
        answers.append(exchange(server.url, request("GET", target, *headers, "Connection: close")).content)
    answers.append(exchange(server.url, request("GET", "/v1 /models", f"Authorization: Bearer {key}")).content)
    with server.client(headers={"authorization": f"Bearer {key}"}) as client:
        fields = {"model": "tiny", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2}
        answers.append(client.post("/v1/chat/completions", json=fields).content)
        answers.append(client.post("/v1/chat/completions", json=fields | {"stream": True}).content)
        answers.append(client.post("/v1/chat/completions", content=b"{").content)
    return answers


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_keys_are_not_stored_in_plain_text(
    kind: str, tiny_gguf: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    variables = {"FOREFRONT_LOG_LEVEL": "debug", "FOREFRONT_LOG_FORMAT": "json" if kind == "sqlite" else "human"}
    home = tmp_path / "home"
    url = f"sqlite:///{home / 'forefront.db'}"
    if kind == "postgres":
        url = new_database(request.getfixturevalue("postgres"))
        variables["FOREFRONT_DATABASE_URL"] = url.replace("forefront@", f"forefront:{PASSWORD}@")
    with (
        Watch(home) as watch,
        run_server([f"tiny={tiny_gguf}"], home, key=CANARY, environment=variables) as server,
        server.client() as admin,
    ):
        made = admin.post("/admin/keys", json={"name": "made"}).json()
        rotated = admin.post(f"/admin/keys/{made['id']}/rotate").json()
        secrets = [CANARY, made["key"], rotated["key"]]
        answers = [answer for key in secrets for answer in use(server, key)]
        answers += [admin.get(path).content for path in ("/admin/keys", "/admin/usage?by=key", "/admin/status")]
        line = Path(f"/proc/{server.process.pid}/cmdline").read_bytes()
        stored = every_row(url)
    logged = server.log.read_bytes()
    assert b"/v1/chat/completions" in logged  # there is something to be found in it
    assert hash_key(CANARY).encode() in stored
    assert watch.seen, "no child process was seen"
    places = {"answers": b"".join(answers), "log": logged, "command line": line, "rows": stored}
    places["children"] = b"".join(watch.seen)
    places |= {str(path): path.read_bytes() for path in home.rglob("*") if path.is_file()}
    for place, content in places.items():
        for secret in [*secrets, PASSWORD]:
            assert secret.encode() not in content, place
            assert secret.removeprefix("ff-")[:20].encode() not in content, place


def every_row(url: str) -> bytes:
    """All text of all tables."""
    engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    try:
        with engine.connect() as connection:
            names = sa.inspect(connection).get_table_names()
            rows = [str(row) for name in names for row in connection.execute(sa.text(f'SELECT * FROM "{name}"'))]
    finally:
        engine.dispose()
    return "\n".join(rows).encode()


async def test_keys_are_looked_up_and_compared_as_hashes(
    database: Database,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So the duration does not reveal how much of a key is right."""
    made = KeyStore(database).create(NewKey(name="x"))
    compared: list[tuple[str, str]] = []
    compare = hmac.compare_digest

    def record(one: str, other: str) -> bool:
        compared.append((one, other))
        return compare(one, other)

    monkeypatch.setattr(hmac, "compare_digest", record)
    ring = KeyCache(database)
    assert await ring.find(made.key) is not None
    assert compared == [(hash_key(made.key), hash_key(made.key))]
    assert await ring.find(made.key[:-1] + "~") is None
    assert made.key not in str(vars(ring))


@pytest.mark.slow
def test_the_store_of_a_home_is_its_owners_alone(tiny_gguf: Path, tmp_path: Path) -> None:
    with run_server([f"tiny={tiny_gguf}"], tmp_path / "home", key=CANARY) as server:
        server.get("/v1/models")
        stores = list((tmp_path / "home").glob("forefront.db*"))
        assert stores
        assert all(os.stat(path).st_mode & 0o077 == 0 for path in stores)
