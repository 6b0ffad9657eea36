"""A model's file is a stranger's: broken or hostile, it is one error of one line, and a server that serves goes on."""

import os
import random
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from forefront.catalog.gguf_model import GgufModel
from forefront.catalog.source import ModelSource, SourceError
from forefront.catalog.store import Store

# How long mutations are tried.
BUDGET = 8.0
STRINGS = [
    b"llama",
    b"gpt2",
    b"tokenizer.ggml.tokens",
    b"llama.block_count",
    b"token_embd.weight",
    b"blk.0.attn_q.weight",
]


def flipped(good: bytes, chance: random.Random) -> bytes:
    """Single bits of the metadata."""
    damaged = bytearray(good)
    for _ in range(chance.randrange(1, 12)):
        damaged[chance.randrange(4, 20_000)] ^= 1 << chance.randrange(8)
    return bytes(damaged)


def renumbered(good: bytes, chance: random.Random) -> bytes:
    """A count, a length or a dimension that is absurd."""
    damaged = bytearray(good)
    place = chance.randrange(4, 20_000)
    damaged[place : place + 8] = struct.pack("<Q", chance.choice([0, 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1, 2**40]))
    return bytes(damaged)


def renamed(good: bytes, chance: random.Random) -> bytes:
    """A name that something else has, so that it is missing."""
    name = chance.choice(STRINGS)
    return good.replace(name, bytes(chance.randrange(256) for _ in name), 1)


def cut(good: bytes, chance: random.Random) -> bytes:
    """Less than there should be."""
    return good[: chance.randrange(4, len(good))]


def spliced(good: bytes, chance: random.Random) -> bytes:
    """A piece that was moved elsewhere."""
    start, size, target = (chance.randrange(8, 20_000) for _ in range(3))
    return good[:target] + good[start : start + size] + good[target:]


MUTATIONS: list[Callable[[bytes, random.Random], bytes]] = [flipped, renumbered, renamed, cut, spliced]


def header(*counts: int, rest: bytes = b"") -> bytes:
    """The beginning of a GGUF file: version 3, how many tensors, how many fields."""
    return b"GGUF" + struct.pack("<I", 3) + struct.pack(f"<{len(counts)}Q", *counts) + rest


def field(name: bytes, kind: int, rest: bytes) -> bytes:
    return struct.pack("<Q", len(name)) + name + struct.pack("<I", kind) + rest


ARRAY, TEXT, BYTE = 9, 8, 0
CRAFTED = {
    "empty": b"GGUF",
    "newest": b"GGUF" + struct.pack("<I", 2**31),
    "big-endian": b"GGUF" + struct.pack(">I", 3) + bytes(64),
    "no-end-of-tensors": header(2**62, 0),
    "no-end-of-fields": header(0, 2**62),
    "long-name": header(0, 1, rest=struct.pack("<Q", 2**62)),
    "long-text": header(0, 1, rest=field(b"general.architecture", TEXT, struct.pack("<Q", 2**62))),
    "long-array": header(0, 1, rest=field(b"a", ARRAY, struct.pack("<IQ", BYTE, 2**40)) + bytes(64)),
    "long-array-of-texts": header(0, 1, rest=field(b"a", ARRAY, struct.pack("<IQ", TEXT, 2**40)) + bytes(4096)),
    "nested-arrays": header(0, 1, rest=field(b"a", ARRAY, struct.pack("<IQ", ARRAY, 1) * 50_000)),
    "unknown-kind": header(0, 1, rest=field(b"a", 77, bytes(64))),
    "huge-dimensions": header(1, 0, rest=struct.pack("<Q1sI4QIQ", 1, b"t", 4, *[2**40] * 4, 0, 0) + bytes(64)),
    "zeros": b"GGUF" + bytes(100_000),
    "ones": b"GGUF" + b"\xff" * 100_000,
}


def refused(home: Store, path: Path, content: bytes) -> str:
    """The error for a file of that content; empty when it was read after all."""
    path.write_bytes(content)
    try:
        GgufModel(ModelSource("hostile", path), home, exact=False).load()
    except SourceError as error:
        text = str(error)
        assert "\n" not in text
        assert len(text) < 1200
        assert "Traceback" not in text
        return text
    return ""


@pytest.mark.parametrize("name", CRAFTED)
def test_a_crafted_file_is_one_error(name: str, tmp_path: Path) -> None:
    assert refused(Store(tmp_path / "home"), tmp_path / "hostile.gguf", CRAFTED[name])
    left = [path.name for path in (tmp_path / "home").rglob("*")]
    assert set(left) <= {"models", "digests.json"}


def test_a_mutated_file_is_one_error_or_a_model(tiny_gguf: Path, tmp_path: Path) -> None:
    good, chance = tiny_gguf.read_bytes(), random.Random(7)
    home, tried, errors = Store(tmp_path / "home"), 0, 0
    deadline = time.monotonic() + BUDGET
    while time.monotonic() < deadline or tried < len(MUTATIONS):
        content = MUTATIONS[tried % len(MUTATIONS)](good, chance)
        errors += bool(refused(home, tmp_path / "hostile.gguf", content))
        tried += 1
    assert errors > 0
    assert not list((tmp_path / "home" / "models").glob("preparing-*"))


# Builds the graphs of many files in one process.
READER = """
import shutil, sys
from pathlib import Path
from forefront.catalog.gguf_model import read_facts
from forefront.graph.build import build_graph
from forefront.graph.gguf_file import GgufFile
for line in sys.stdin:
    path = Path(line.strip())
    cache = path.with_name("cache")
    cache.mkdir()
    try:
        file = GgufFile(path)
        read_facts(file.metadata)
        build_graph(file, cache, exact=False)
        print("read", flush=True)
    except Exception as error:
        print(type(error).__name__, " ".join(str(error).split()), flush=True)
    shutil.rmtree(cache)
"""


@pytest.fixture
def reader() -> Iterator[subprocess.Popen[str]]:
    """A process that says one line for each path that it is given."""
    process = subprocess.Popen(
        [sys.executable, "-c", READER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    with process:
        yield process
        process.kill()


def test_hundreds_of_mutations_are_read_or_refused(
    tiny_gguf: Path, tmp_path: Path, reader: subprocess.Popen[str]
) -> None:
    assert reader.stdin
    assert reader.stdout
    good, chance, path = tiny_gguf.read_bytes(), random.Random(11), tmp_path / "hostile.gguf"
    said = []
    for number in range(300):
        path.write_bytes(MUTATIONS[number % len(MUTATIONS)](good, chance))
        reader.stdin.write(f"{path}\n")
        reader.stdin.flush()
        said.append(reader.stdout.readline().strip())
        assert said[-1], f"mutation {number} ended the reader"
    assert "read" in said
    assert {line.split()[0] for line in said} == {"read", "ModelFileError"}
    assert len(set(said)) > 10
    memory = Path(f"/proc/{reader.pid}/status").read_text()
    [peak] = [int(line.split()[1]) for line in memory.splitlines() if line.startswith("VmHWM")]
    assert peak < 2 * 2**20  # KiB
