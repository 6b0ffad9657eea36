"""A connection that stays out of the pool between transactions.

Taking one from the pool and giving it back takes a quarter of the interpreter's work of a commit.
"""

import sqlalchemy as sa


class KeptConnection:
    """A context manager with the connection. Not thread-safe. After a fault the pool gets it back."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._connection: sa.Connection | None = None

    def __enter__(self) -> sa.Connection:
        if self._connection is None:
            self._connection = self._engine.connect()
        return self._connection

    def __exit__(self, kind: type[BaseException] | None, _error: object, _trace: object) -> None:
        if kind is not None:
            self.close()

    def close(self) -> None:
        """Give the connection back to the pool."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
