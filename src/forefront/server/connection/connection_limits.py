"""Limits of open connections. A connection counts for its peer's address until a valid key arrives on it, and then for
the key's project. No address and no project can hold all places. A new connection always gets one: the oldest idle
connection of the address with the most connections is closed for it. A refusal would exclude honest clients that share
an address with a flood.
"""

import socket
import time
from collections.abc import Iterable
from typing import Final, Protocol

from forefront.server.http.error_response import ClosingError

# Seconds in which a new connection has time to send its first request. Connections arrive in bursts, and
# the event loop accepts a whole burst before it reads the first request.
_GRACE: Final = 1.0


class LimitedConnection(Protocol):
    """An open connection, or one during its handshake."""

    @property
    def idle(self) -> bool:
        """Whether no request is being answered on it."""

    def evict(self) -> None:
        """End it at once."""


class ConnectionLimits:
    """At most `total` connections, of which an eighth is kept for those without a key.

    A quarter of `total`, and `per_address` of one peer address, may be without a key for longer than a second. (An IPv6
    address represents its /64 network.) One project may have three quarters of `total`.
    """

    def __init__(self, total: int, per_address: int) -> None:
        self._total = total
        self._anonymous = max(total // 4, 1)
        self._per_address = min(per_address, self._anonymous)
        self._authenticated = max(total - max(total // 8, 1), 1)
        self._per_project = max(total * 3 // 4, 1)
        self._owners: dict[LimitedConnection, str] = {}  # of authenticated connections, by project
        self._projects: dict[str, dict[LimitedConnection, None]] = {}  # oldest first
        self._opened: dict[LimitedConnection, tuple[str, float]] = {}  # without a key: address and time
        self._addresses: dict[str, dict[LimitedConnection, None]] = {}  # oldest first

    def open(self, connection: LimitedConnection, address: str) -> None:
        """Count a new connection of `address`, and close others where it exceeds a limit."""
        network, now = _network(address), time.monotonic()
        while self._opened and len(self._opened) + len(self._owners) >= self._total:
            self._evict_anonymous(self._greediest(), now, grace=0)
        # A young connection stops the loop, since everything after it is younger.
        while len(self._addresses.get(network, ())) >= self._per_address:
            if not self._evict_anonymous(network, now, grace=_GRACE):
                break
        while len(self._opened) >= self._anonymous:
            if not self._evict_anonymous(self._greediest(), now, grace=_GRACE):
                break
        self._opened[connection] = (network, now)
        self._addresses.setdefault(network, {})[connection] = None

    def authenticate(self, connection: LimitedConnection, project: str) -> None:
        """Count the connection towards `project` from now on. Does nothing for one that is authenticated or closed.

        Raises `RequestError` 503 where its project, or all projects together, have no idle connection that could be
        closed.
        """
        if connection not in self._opened:
            return
        if len(self._projects.get(project, ())) >= self._per_project:
            self._evict_authenticated(project)
        elif len(self._owners) >= self._authenticated:
            self._evict_authenticated(_largest(self._projects))
        self._forget_anonymous(connection)
        self._owners[connection] = project
        self._projects.setdefault(project, {})[connection] = None

    def close(self, connection: LimitedConnection) -> None:
        """Forget a connection. Does nothing for one that has been evicted."""
        if connection in self._opened:
            self._forget_anonymous(connection)
        elif (project := self._owners.pop(connection, None)) is not None:
            _discard(self._projects, project, connection)

    def _greediest(self) -> str:
        return _largest(self._addresses)

    def _evict_anonymous(self, network: str, now: float, *, grace: float) -> bool:
        """Close the network's oldest idle connection, else its oldest, unless that is younger than `grace` seconds."""
        members = self._addresses[network]
        chosen = _oldest_idle(members) or next(iter(members))
        if now - self._opened[chosen][1] < grace:
            return False
        self._forget_anonymous(chosen)
        chosen.evict()
        return True

    def _forget_anonymous(self, connection: LimitedConnection) -> None:
        network, _ = self._opened.pop(connection)
        _discard(self._addresses, network, connection)

    def _evict_authenticated(self, project: str) -> None:
        chosen = _oldest_idle(self._projects[project])
        if chosen is None:
            text = "Too many connections are busy; close some, or send requests on those that are open."
            raise ClosingError("overloaded", text)
        self.close(chosen)
        chosen.evict()


def _oldest_idle(connections: Iterable[LimitedConnection]) -> LimitedConnection | None:
    return next((connection for connection in connections if connection.idle), None)


def _largest(groups: dict[str, dict[LimitedConnection, None]]) -> str:
    return max(groups, key=lambda name: len(groups[name]))


def _discard(groups: dict[str, dict[LimitedConnection, None]], name: str, connection: LimitedConnection) -> None:
    del groups[name][connection]
    if not groups[name]:
        del groups[name]


def _network(address: str) -> str:
    """The address itself, or an IPv6 address' /64, since one client has all addresses of that."""
    if ":" not in address:
        return address
    packed = socket.inet_pton(socket.AF_INET6, address.partition("%")[0])
    if packed[:12] == b"\0" * 10 + b"\xff\xff":
        return socket.inet_ntop(socket.AF_INET, packed[12:])
    return packed[:8].hex()
