"""Stored responses: each with its input, owned by a project, until it expires."""

import re
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from forefront.gateway.store.content_cipher import ContentCipher
from forefront.gateway.store.database import Database
from forefront.gateway.store.storage_limits import StorageLimits, add_size, check_room, delete_contents
from forefront.gateway.store.tables import servers, stored_responses
from forefront.wire.errors import RequestError

_ID: Final = re.compile(r"[!-~]{1,64}")
UNFINISHED: Final = ("queued", "in_progress")
# Maximum responses in a chain, and bytes of their contents: about the limits of one request.
MAX_DEPTH: Final = 2048
MAX_CHAIN: Final = 8 * 2**20
# Rows of one transaction of `delete_expired` and `delete_before`. Servers wait for it.
BATCH: Final = 100


# Further changes in the same transaction.
Also = Callable[[sa.Connection], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredResponse:
    """A response in the store. `input` and `output` are JSON arrays of items; `response` is JSON with an empty output.
    `abandoned`: it is unfinished, and the server that generated it has ended."""

    id: str
    project: str
    previous_id: str | None = None
    conversation_id: str | None = None
    status: str
    background: bool = False
    abandoned: bool = False
    input: bytes
    output: bytes = b"[]"
    response: bytes

    @property
    def unfinished(self) -> bool:
        """Whether it waits or is being generated."""
        return self.status in UNFINISHED

    @property
    def size(self) -> int:
        """The bytes of its contents."""
        return len(self.input) + len(self.output) + len(self.response)


@dataclass(frozen=True, slots=True)
class Chain:
    """The length and bytes of a response with all that it continues; none at the beginning."""

    depth: int = 0
    size: int = 0


class ResponseStore:
    """Blocking calls. All raise `StoreError` when the database fails. `server_id`: this server's id, with which other
    servers check whether it runs. `now` is in seconds since 1970."""

    def __init__(
        self,
        database: Database,
        server_id: str,
        limits: StorageLimits | None = None,
        cipher: ContentCipher | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.limits = limits or StorageLimits()
        self._database = database
        self._server_id = server_id
        self._cipher = cipher or ContentCipher()
        self._now = now

    def check_key(self) -> None:
        """Raise `StoreError` if the newest response was encrypted with a key that this server does not have."""
        table = stored_responses
        query = sa.select(table.c.encryption_key).order_by(table.c.expires_at.desc()).limit(1)
        with self._database.read() as connection:
            self._cipher.require(connection.execute(query).scalar())

    def find(self, project: str, response_id: str) -> StoredResponse | None:
        """A response of the project that has not expired."""
        if not _ID.fullmatch(response_id):
            return None
        query = sa.select(stored_responses, servers.c.id.label("running_on"))
        query = query.outerjoin(servers, servers.c.id == stored_responses.c.server_id)
        with self._database.read() as connection:
            row = connection.execute(query.where(*self._of(project, response_id))).mappings().first()
        if row is None:
            return None
        return StoredResponse(
            id=row["id"],
            project=row["project"],
            previous_id=row["previous_id"],
            conversation_id=row["conversation_id"],
            status=row["status"],
            background=row["background"],
            abandoned=row["status"] in UNFINISHED and row["running_on"] is None,
            **{name: self._decrypt(row, name) for name in ("input", "output", "response")},
        )

    def chain_of(self, project: str, response_id: str) -> Chain:
        """The size of the chain that ends with a response. Raises `RequestError`: 404 for a response that is not there,
        422 for one that is not finished, for one of a conversation, and for a chain that is too long to be
        continued."""
        table = stored_responses
        if not _ID.fullmatch(response_id):
            raise response_not_found(response_id, "previous_response_id")
        columns = (table.c.depth, table.c.chain_size, table.c.status, table.c.conversation_id)
        query = sa.select(*columns).where(*self._of(project, response_id))
        with self._database.read() as connection:
            row = connection.execute(query).first()
        if row is None:
            raise response_not_found(response_id, "previous_response_id")
        if row.status in UNFINISHED:
            text = f"The response `{response_id}` is not finished yet (`previous_response_id`)."
            raise RequestError("invalid_value", text, param="previous_response_id")
        if row.conversation_id is not None:
            text = f"The response `{response_id}` belongs to a conversation: send `conversation` as "
            raise RequestError("invalid_value", f"{text}`{row.conversation_id}`.", param="previous_response_id")
        if row.depth >= MAX_DEPTH or row.chain_size > MAX_CHAIN:
            text = f"`previous_response_id`: the conversation is too long: at most {MAX_DEPTH} responses and "
            text += f"{MAX_CHAIN // 2**20} MiB can be continued."
            raise RequestError("invalid_value", text, param="previous_response_id")
        return Chain(row.depth, row.chain_size)

    def read_chain(self, project: str, response_id: str, depth: int) -> list[tuple[str, bytes, bytes]]:
        """Id, input and output of the `depth` responses of a chain, the oldest first, by one query. Raises
        `RequestError`: 404 if one of them is gone, 422 if the chain has no beginning."""
        table, now = stored_responses, self._now()
        first = sa.select(table.c.id, table.c.previous_id, sa.literal(1).label("place")).where(
            *self._of(project, response_id)
        )
        chain = first.cte("chain", recursive=True)
        rest = sa.select(table.c.id, table.c.previous_id, chain.c.place + 1)
        rest = rest.join(chain, table.c.id == chain.c.previous_id)
        rest = rest.where(chain.c.place < depth, table.c.project == project, table.c.expires_at > now)
        chain = chain.union_all(rest)
        query = sa.select(table.c.id, table.c.previous_id, table.c.encryption_key, table.c.input, table.c.output)
        query = query.join(chain, chain.c.id == table.c.id).order_by(chain.c.place.desc())
        with self._database.read() as connection:
            rows = connection.execute(query).mappings().all()
        if not rows:
            raise response_not_found(response_id, "previous_response_id")
        if rows[0]["previous_id"] is not None:
            if len(rows) >= depth:
                text = "`previous_response_id` is cyclic: the response continues itself."
                raise RequestError("invalid_value", text, param="previous_response_id")
            raise response_not_found(rows[0]["previous_id"], "previous_response_id")
        return [(row["id"], self._decrypt(row, "input"), self._decrypt(row, "output")) for row in rows]

    def read_items(self, project: str, ids: Collection[str]) -> dict[str, tuple[bytes, bytes]]:
        """Input and output of the stored responses among `ids`, by id. Raises `RequestError` 422 if they are too
        large."""
        table = stored_responses
        found = (table.c.id.in_(ids), table.c.project == project, table.c.expires_at > self._now())
        query = sa.select(table.c.id, table.c.encryption_key, table.c.input, table.c.output).where(*found)
        with self._database.read() as connection:
            size = connection.execute(sa.select(sa.func.sum(table.c.size)).where(*found)).scalar() or 0
            if size > MAX_CHAIN:
                text = f"`input` refers to items of responses with more than {MAX_CHAIN // 2**20} MiB in all."
                raise RequestError("invalid_value", text, param="input")
            rows = connection.execute(query).mappings().all()
        return {row["id"]: (self._decrypt(row, "input"), self._decrypt(row, "output")) for row in rows}

    def check_room(self, project: str, size: int) -> None:
        """Raise `RequestError`: 413 for contents that are too large to store, 403 if the project has no room for
        them."""
        with self._database.read() as connection:
            check_room(connection, self.limits, project, size, responses=1)

    def add(self, new: StoredResponse, chain: Chain, also: Also | None = None) -> None:
        """Store a response that continues `chain`."""
        now = int(self._now())
        values = {
            "id": new.id,
            "project": new.project,
            "previous_id": new.previous_id,
            "conversation_id": new.conversation_id,
            "depth": chain.depth + 1,
            "chain_size": chain.size + new.size,
            "background": new.background,
            "status": new.status,
            "server_id": self._server_id if new.status in UNFINISHED else None,
            "created_at": now,
            "expires_at": now + int(self.limits.seconds),
            "size": new.size,
            "encryption_key": self._cipher.key_name,
            **{name: self._encrypt(new.id, name, getattr(new, name)) for name in ("input", "output", "response")},
        }
        with self._database.write() as connection:
            connection.execute(sa.insert(stored_responses).values(values))
            add_size(connection, new.project, new.size, responses=1)
            if also is not None:
                also(connection)

    def finish(self, response_id: str, status: str, output: bytes, response: bytes, also: Also | None = None) -> bool:
        """Store the end of an unfinished response. False if it has been deleted or cancelled meanwhile."""
        table = stored_responses
        unfinished = (table.c.id == response_id, table.c.status.in_(UNFINISHED))
        contents = {
            "encryption_key": self._cipher.key_name,
            "output": self._encrypt(response_id, "output", output),
            "response": self._encrypt(response_id, "response", response),
        }
        with self._database.write() as connection:
            columns = (table.c.project, table.c.size, table.c.encryption_key, table.c.input)
            row = connection.execute(sa.select(*columns).where(*unfinished)).mappings().first()
            if row is None:
                return False
            content = self._cipher.decrypt(row["input"], f"{response_id}.input", row["encryption_key"])
            more = len(content) + len(output) + len(response) - row["size"]
            contents["input"] = self._encrypt(response_id, "input", content)
            change = {"status": status, "server_id": None, "size": table.c.size + more}
            change["chain_size"] = table.c.chain_size + more
            connection.execute(sa.update(table).where(table.c.id == response_id).values(**change, **contents))
            add_size(connection, row["project"], more)
            if also is not None:
                also(connection)
        return True

    def delete(self, project: str, response_id: str) -> bool:
        """Delete a response. Returns whether it existed."""
        return _ID.fullmatch(response_id) is not None and self._delete(sa.and_(*self._of(project, response_id)), 1) > 0

    def delete_expired(self) -> int:
        """Delete up to `BATCH` responses that have expired. Returns their number."""
        return self._delete(stored_responses.c.expires_at <= self._now(), BATCH)

    def _delete(self, condition: sa.ColumnElement[bool], count: int) -> int:
        return delete_responses(self._database, condition, count)

    def _of(self, project: str, response_id: str) -> tuple[sa.ColumnElement[bool], ...]:
        table = stored_responses
        return table.c.id == response_id, table.c.project == project, table.c.expires_at > self._now()

    def _encrypt(self, response_id: str, column: str, content: bytes) -> bytes:
        return self._cipher.encrypt(content, f"{response_id}.{column}")

    def _decrypt(self, row: sa.RowMapping, column: str) -> bytes:
        return self._cipher.decrypt(bytes(row[column]), f"{row['id']}.{column}", row["encryption_key"])


def delete_responses(database: Database, condition: sa.ColumnElement[bool], count: int) -> int:
    """Delete up to `count` responses that meet the condition, in one transaction. Returns their number."""
    return delete_contents(database, stored_responses, condition, count)


def response_not_found(response_id: str, param: str | None = None) -> RequestError:
    """The error for a response that is not stored."""
    text = f"No response of the id `{response_id[:64]}` is stored: it was not stored, has expired or was deleted."
    return RequestError("not_found", text, param=param)
