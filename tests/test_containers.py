"""The Dockerfile and compose.yaml, without Docker: the commands run in a fresh folder, and what they install serves."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from forefront.cli.settings.config import setting_names
from tests.support.programs.node import require_node
from tests.support.server import KEY

_ROOT = Path(__file__).parents[1]
_COMPOSE = (_ROOT / "compose.yaml").read_text()


@dataclass
class Stage:
    """The instructions that follow one `FROM`, in order."""

    instructions: list[tuple[str, str]] = field(default_factory=list)

    def texts(self, name: str) -> list[str]:
        return [text for instruction, text in self.instructions if instruction == name]


def read_stages() -> list[Stage]:
    """The stages of the Dockerfile."""
    text = re.sub(r"\\\n\s*", "", (_ROOT / "Dockerfile").read_text())
    stages: list[Stage] = []
    for line in text.splitlines():
        name, _, rest = line.partition(" ")
        if name == "FROM":
            stages.append(Stage())
        elif line and not line.startswith("#"):
            stages[-1].instructions.append((name, rest.strip()))
    return stages


def copy(sources: list[str], target: Path) -> None:
    """What `COPY` does with files of the repository that `.dockerignore` lets through."""
    kept = [line[1:] for line in (_ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    left_out = shutil.ignore_patterns("__pycache__", "node_modules", "page")
    for source in sources:
        assert source in kept, f".dockerignore excludes {source}"
        if (_ROOT / source).is_dir():
            shutil.copytree(_ROOT / source, target, ignore=left_out, dirs_exist_ok=True)
        else:
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy(_ROOT / source, target)


@pytest.fixture(scope="module")
def image() -> Iterator[Path]:
    """A folder with what the image has at its root: the stages before, run with paths inside the folder."""
    require_node()
    root = Path(tempfile.mkdtemp(prefix="forefront-image-"))
    root.chmod(0o755)  # another user runs the server
    (root / "bin").mkdir()
    (root / "bin" / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (root / "bin" / "python").chmod(0o755)
    for folder in ("opt", "var/lib"):
        (root / folder).mkdir(parents=True)
    environment = os.environ | {"PATH": f"{root}/bin:{os.environ['PATH']}"}
    page, build, final = read_stages()
    (root / "page").mkdir()
    run_stage(page, root / "page", root / "page", environment)
    run_stage(build, root, root / "page", environment)
    shutil.rmtree(root / "source")
    shutil.rmtree(root / "page")
    assert final.texts("RUN") == []
    if os.geteuid() == 0:
        for path in copied_for_user(final):
            shutil.chown(root / path.lstrip("/"), *user(final))
    yield root
    shutil.rmtree(root)


def run_stage(stage: Stage, root: Path, earlier: Path, environment: dict[str, str]) -> None:
    """Carry out the instructions with `root` in place of `/`, and `earlier` as the root of the stage before."""
    work = root
    for name, text in stage.instructions:
        if name == "WORKDIR":
            work = root / text.lstrip("/")
            work.mkdir(parents=True)
        elif name == "COPY" and text.startswith("--from="):
            _, source, target = text.split()
            shutil.copytree(earlier / source.lstrip("/"), work / target)
        elif name == "COPY":
            *sources, target = text.split()
            copy(sources, work / target)
        elif name != "ARG":  # none of them is set
            assert name == "RUN"
            command = re.sub(r"(?<=\s)/(?=opt/|var/)", f"{root}/", text)
            run = subprocess.run(
                ["sh", "-euc", command], cwd=work, env=environment, capture_output=True, text=True, timeout=600
            )
            assert run.returncode == 0, run.stderr


def user(stage: Stage) -> tuple[int, int]:
    [text] = stage.texts("USER")
    number, group = text.split(":")
    return int(number), int(group)


def copied_for_user(stage: Stage) -> list[str]:
    number, group = user(stage)
    return [text.split()[-1] for text in stage.texts("COPY") if f"--chown={number}:{group} " in text]


def variables(stage: Stage, image: Path) -> dict[str, str]:
    """`ENV` of the stage, with paths inside the image's folder."""
    pairs = dict(re.findall(r"(\w+)=(\S+)", " ".join(stage.texts("ENV"))))
    pairs = {name: re.sub(r"^/(?=opt/|var/)", f"{image}/", value) for name, value in pairs.items()}
    pairs["PATH"] = pairs["PATH"].replace("$PATH", os.environ["PATH"])
    assert pairs["HOST"] == "0.0.0.0"
    return pairs | {"HOST": "127.0.0.1"}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_image_serves_as_an_ordinary_user(image: Path, tmp_path: Path) -> None:
    final = read_stages()[-1]
    environment = variables(final, image) | {"PORT": "0", "FOREFRONT_API_KEY": KEY}
    [entry], [arguments] = final.texts("ENTRYPOINT"), final.texts("CMD")
    log = tmp_path / "log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [*as_user(final), *json.loads(entry), *json.loads(arguments)],
            env=environment, cwd="/", stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        url = wait_for_start(server, log)
        body = {"model": "forefront-mini", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 5}
        headers = {"authorization": f"Bearer {KEY}"}
        assert "/assets/" in httpx.get(f"{url}/").text
        answer = httpx.post(f"{url}/v1/chat/completions", json=body, headers=headers, timeout=60)
        assert answer.status_code == 200, answer.text
        [check] = final.texts("HEALTHCHECK")
        command = json.loads(check[check.index("[") :])
        healthy = environment | {"PORT": url.rpartition(":")[2]}
        assert subprocess.run(command, env=healthy, timeout=30).returncode == 0
    finally:
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 0
    assert subprocess.run(command, env=healthy, timeout=30, capture_output=True).returncode == 1
    [home] = final.texts("VOLUME")
    assert (image / home.lstrip("/") / "forefront.db").exists()


def as_user(stage: Stage) -> list[str]:
    """The command before a command that runs it as the image's user. The user may read all files, since this machine's
    Python can be in a closed folder, and writes its own alone."""
    number, group = user(stage)
    assert number > 0
    if os.geteuid() != 0:
        return []
    capability = "+dac_read_search"
    options = [f"--reuid={number}", f"--regid={group}", "--clear-groups"]
    return ["setpriv", *options, f"--inh-caps=-all,{capability}", f"--ambient-caps={capability}"]


def wait_for_start(server: subprocess.Popen[bytes], log: Path) -> str:
    """The URL that the server prints."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and server.poll() is None:
        match = re.search(r" on (http://\S+)", log.read_text())
        if match:
            return match[1]
        time.sleep(0.05)
    pytest.fail(f"the server did not start:\n{log.read_text()}")


@pytest.mark.slow
def test_the_image_is_small(image: Path) -> None:
    """It has no tools to build or install with."""
    installed = {path.name.split("-")[0] for path in (image / "opt/forefront").glob("lib/*/site-packages/*.dist-info")}
    assert {"openvino", "psycopg", "redis", "starlette"} <= installed
    assert not installed & {"pip", "setuptools", "wheel", "hatchling", "editables"}


def test_compose_and_the_image_agree() -> None:
    final = read_stages()[-1]
    [home], [port] = final.texts("VOLUME"), final.texts("EXPOSE")
    assert f"- models:{home}\n" in _COMPOSE
    assert f':{port}"' in _COMPOSE
    known = {"FOREFRONT_API_KEY", *(variable for _, variable in setting_names() if variable)}
    assert set(re.findall(r"^ +(FOREFRONT_\w+):", _COMPOSE, re.MULTILINE)) <= known
    required = re.findall(r"\$\{(\w+):\?", _COMPOSE)
    page = (_ROOT / "docs/operate/containers.md").read_text()
    for name in required:
        assert f"{name}=" in page
    assert re.search(r"FOREFRONT_API_KEY=(\S{20,}) ", page)


def test_pre_commit_runs_what_make_check_runs() -> None:
    recipe = re.search(r"^check:.*\n((?:\t.*\n)+)", (_ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe is not None
    checks = [line.strip().replace("$(BIN)", ".venv/bin") for line in recipe[1].splitlines()]
    hooks = re.findall(r"entry: ([^,\n]+)", (_ROOT / ".pre-commit-config.yaml").read_text())
    assert hooks == checks
