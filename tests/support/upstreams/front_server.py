"""A real server with another real server as its upstream."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.server import RunningServer, run_server

_MODEL = """
[models."{name}"]
upstream = "{url}/v1"
upstream_key = "env:UPSTREAM_KEY"
"""


@contextmanager
def run_in_front_of(upstream: RunningServer, folder: Path) -> Iterator[RunningServer]:
    """`forefront serve` with the models of `upstream` under the same names. `folder` gets its files."""
    settings = folder / "forefront.toml"
    names = [model["id"] for model in upstream.get("/v1/models").json()["data"]]
    settings.write_text("".join(_MODEL.format(name=name, url=upstream.url) for name in names))
    environment = {"FOREFRONT_CONFIG": str(settings), "UPSTREAM_KEY": upstream.key}
    with run_server([], folder / "home", environment=environment) as running:
        yield running
