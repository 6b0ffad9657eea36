"""How other HTTP implementations read the same bytes: h11, and nginx as a real server."""

import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h11

from tests.security.raw import exchange
from tests.support.ports import free_port
from tests.support.programs.debian import installed

_NGINX = """
daemon off;
master_process off;
error_log {folder}/error.log;
pid {folder}/pid;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    server {{
        listen 127.0.0.1:{port};
        lingering_close off;
        location / {{ return 200 "<$request_method>"; }}
    }}
}}
"""


@dataclass(frozen=True, slots=True)
class Reading:
    """The methods of the requests in the bytes, in order, and whether the last or what follows it was refused."""

    methods: list[str]
    refused: bool


def read_by_h11(content: bytes) -> Reading:
    """What a server on h11 reads that answers every request and takes no upgrade."""
    connection, methods = h11.Connection(h11.SERVER), []
    connection.receive_data(content)
    try:
        while not isinstance(event := connection.next_event(), type) and not isinstance(event, h11.ConnectionClosed):
            if isinstance(event, h11.Request):
                methods.append(event.method.decode())
            elif isinstance(event, h11.EndOfMessage):
                connection.send(h11.Response(status_code=400 if methods[-1] == "CONNECT" else 200, headers=[]))
                connection.send(h11.EndOfMessage())
                if connection.our_state is h11.MUST_CLOSE:
                    break
                connection.start_next_cycle()
    except h11.RemoteProtocolError:
        return Reading(methods, refused=True)
    return Reading(methods, refused=False)


def read_by_nginx(url: str, content: bytes, seconds: float = 0.3) -> Reading:
    """What nginx reads."""
    response = exchange(url, content, timeout=seconds)
    statuses = re.findall(rb"HTTP/1\.1 (\d{3})", response.content)
    methods = [found.decode() for found in re.findall(rb"<([A-Z]+)>", response.content)]
    return Reading(methods, refused=statuses[len(methods) :] != [])


@contextmanager
def run_nginx(folder: Path) -> Iterator[str]:
    """A running nginx; its URL."""
    found = Path("/usr/sbin/nginx")
    program = installed(
        lambda: shutil.which("nginx") or (str(found) if found.exists() else None),
        "nginx",
        "how nginx reads requests is not compared without it",
    )
    port = free_port()
    (folder / "nginx.conf").write_text(_NGINX.format(folder=folder, port=port))
    with subprocess.Popen(
        [program, "-c", str(folder / "nginx.conf"), "-p", str(folder)], stderr=subprocess.DEVNULL
    ) as process:
        try:
            _wait(port)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def _wait(port: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.02)
