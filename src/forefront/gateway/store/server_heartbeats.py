"""Heartbeats of the servers that share a store, and removal of dead servers with their budget leases."""

import os
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import sqlalchemy as sa

from forefront.gateway.store.tables import budget_leases, servers

# Seconds without a heartbeat after which a server counts as dead.
DEAD_AFTER = 90.0
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_LEASE_HOLDERS = sa.select(budget_leases.c.server_id).distinct()


class ServerHeartbeats:
    """Seconds since each server's last heartbeat, by this server's monotonic clock.

    The clocks of machines may differ or be set, so a heartbeat's own time is never compared with a clock: only a change
    of it counts. `clock` counts seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[str, tuple[float, float]] = {}  # by server: its last heartbeat, and when it was first seen

    def update(self, heartbeats: Mapping[str, float]) -> dict[str, float]:
        """Seconds since the heartbeat of each server last changed; 0 for a server that is new here."""
        now = self._clock()
        before, self._seen = self._seen, {}
        for server, heartbeat in heartbeats.items():
            known = before.get(server)
            self._seen[server] = known if known is not None and known[0] == heartbeat else (heartbeat, now)
        return {server: now - since for server, (_, since) in self._seen.items()}

    def reset(self) -> None:
        """Restart all timers, after a time without access to the store."""
        self._seen.clear()


def send_heartbeat(connection: sa.Connection, server_id: str, liveness: ServerHeartbeats) -> bool:
    """Write this server's heartbeat and remove dead servers. Returns whether this server was registered before.

    A server is dead if it ran on this machine and its process is gone, or by `liveness`. Budget leases whose server is
    not registered are judged by `liveness` too: such a server was removed, came back, and died before its heartbeat.
    """
    now, host = time.time(), _host()
    others = connection.execute(sa.select(servers).where(servers.c.id != server_id)).all()
    unregistered = set(connection.execute(_LEASE_HOLDERS).scalars()) - {server_id, *(other.id for other in others)}
    ages = liveness.update({other.id: other.heartbeat_at for other in others} | dict.fromkeys(unregistered, 0.0))
    dead = {other.id for other in others if other.host == host and not _process_exists(other.pid)}
    dead |= {server for server, age in ages.items() if age > DEAD_AFTER}
    for server in dead:
        remove_server(connection, server)
    changed = connection.execute(sa.update(servers).where(servers.c.id == server_id).values(heartbeat_at=now))
    if changed.rowcount:
        return True
    connection.execute(sa.insert(servers).values(id=server_id, host=host, pid=os.getpid(), heartbeat_at=now))
    return False


def remove_server(connection: sa.Connection, server_id: str) -> None:
    """Delete a server and its budget leases."""
    connection.execute(sa.delete(budget_leases).where(budget_leases.c.server_id == server_id))
    connection.execute(sa.delete(servers).where(servers.c.id == server_id))


def find_live_server(connection: sa.Connection) -> tuple[str, int] | None:
    """The host name and process of a server that may be running, for a program without its own `ServerHeartbeats`.

    Such a server has a recent heartbeat by the machines' clocks, and its process is not known to be gone.
    """
    now, host = time.time(), _host()
    for other in connection.execute(sa.select(servers)).all():
        gone = other.host == host and not _process_exists(other.pid)
        if abs(now - other.heartbeat_at) <= DEAD_AFTER and not gone:
            return other.host.partition(" ")[0], other.pid
    return None


def remove_all_servers(connection: sa.Connection) -> None:
    """Delete every server and every budget lease."""
    connection.execute(sa.delete(budget_leases))
    connection.execute(sa.delete(servers))


def _host() -> str:
    """The scope of process ids: host name, PID namespace and boot. Containers and machines may share a host name."""
    try:
        return f"{socket.gethostname()} {os.readlink('/proc/self/ns/pid')} {_BOOT_ID.read_text().strip()}"
    except OSError:
        return socket.gethostname()


def _process_exists(pid: int) -> bool:
    if pid == os.getpid():
        return False  # an earlier process had this process' id
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
