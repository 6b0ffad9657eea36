"""An untrusted model file gives one error of one line, and a running server continues."""

import json
import os
import random
import re
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from forefront.catalog.loaders.gguf_model import GgufModel
from forefront.catalog.loaders.ir_model import load_ir
from forefront.catalog.model_cache import ModelCache
from forefront.catalog.sources.source import ModelSource, SourceError
from forefront.chat.local.loading import LoadError, ModelOptions, ModelParts, load_backend

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


def refused(home: ModelCache, path: Path, content: bytes) -> str:
    """The error for a file of that content; empty when it was read after all."""
    path.write_bytes(content)
    try:
        GgufModel(ModelSource("hostile", path), home, exact=False).load()
    except SourceError as error:
        text = str(error)
        assert "\n" not in text
        assert len(text) < 1200
        assert "Traceback" not in text
        assert not re.search(r"\.[ch]pp|jenkins", text), text
        return text
    return ""


@pytest.mark.parametrize("name", CRAFTED)
def test_a_crafted_file_is_one_error(name: str, tmp_path: Path) -> None:
    assert refused(ModelCache(tmp_path / "home"), tmp_path / "hostile.gguf", CRAFTED[name])
    left = [path.name for path in (tmp_path / "home").rglob("*")]
    assert set(left) <= {"models", "digests.json"}


@pytest.mark.slow
def test_a_mutated_file_loads_or_gives_one_error(tiny_gguf: Path, tmp_path: Path) -> None:
    good, chance = tiny_gguf.read_bytes(), random.Random(7)
    home, tried, errors = ModelCache(tmp_path / "home"), 0, 0
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
from forefront.catalog.loaders.prepared_model import context_length
from forefront.graph.build import build_graph
from forefront.graph.gguf.gguf_file import GgufFile
for line in sys.stdin:
    path = Path(line.strip())
    cache = path.with_name("cache")
    cache.mkdir()
    try:
        file = GgufFile(path)
        context_length(file.metadata)
        build_graph(file, cache, exact=False)
        print("read", flush=True)
    except Exception as error:
        print(type(error).__name__, " ".join(str(error).split()), flush=True)
    shutil.rmtree(cache)
"""


@pytest.fixture
def reader() -> Iterator[subprocess.Popen[str]]:
    """A process that writes one line for each path."""
    process = subprocess.Popen(
        [sys.executable, "-c", READER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    with process:
        yield process
        process.kill()


@pytest.mark.slow
def test_hundreds_of_mutated_files_load_or_are_refused(
    tiny_gguf: Path, tmp_path: Path, reader: subprocess.Popen[str]
) -> None:
    assert reader.stdin
    assert reader.stdout
    good, chance, path = tiny_gguf.read_bytes(), random.Random(11), tmp_path / "hostile.gguf"
    outcomes = []
    for number in range(300):
        path.write_bytes(MUTATIONS[number % len(MUTATIONS)](good, chance))
        reader.stdin.write(f"{path}\n")
        reader.stdin.flush()
        outcomes.append(reader.stdout.readline().strip())
        assert outcomes[-1], f"mutation {number} ended the reader"
    assert "read" in outcomes
    assert {line.split()[0] for line in outcomes} == {"read", "ModelFileError"}
    assert len(set(outcomes)) > 10
    memory = Path(f"/proc/{reader.pid}/status").read_text()
    [peak] = [int(line.split()[1]) for line in memory.splitlines() if line.startswith("VmHWM")]
    assert peak < 2 * 2**20  # KiB


def renumber(good: bytes, key: str, value: float) -> bytes:
    """The file with another number under a key that it has."""
    place = good.index(struct.pack("<Q", len(key)) + key.encode()) + 8 + len(key)
    form = {4: "<I", 5: "<i", 6: "<f"}[struct.unpack_from("<I", good, place)[0]]
    return good[: place + 4] + struct.pack(form, value) + good[place + 8 :]


def with_field(good: bytes, entry: bytes) -> bytes:
    """The file with one more field, and another that fills up to a multiple of the tensors' alignment."""
    filler = field(b"y" * (32 - (len(entry) + 13) % 32), BYTE, b"y")
    fields = struct.unpack_from("<Q", good, 16)[0] + 2
    return good[:16] + struct.pack("<Q", fields) + entry + filler + good[24:]


# Each key with a word of the error, and numbers that are refused.
NUMBERS = [
    ("tokenizer.ggml.eos_token_id", "eos_token_id", [512, 2**31]),
    ("tokenizer.ggml.bos_token_id", "bos_token_id", [512, 2**31]),
    ("llama.context_length", "context_length", [0, 2**24 + 1, 2**32 - 1]),
    ("llama.block_count", "block_count", [0, 2**20, 2**31 - 1, 2**32 - 1]),
    ("llama.attention.head_count", "head", [0, 3, 2**32 - 1]),
    ("llama.attention.head_count", "key_length", [2**16]),
    ("llama.attention.head_count_kv", "heads cannot share", [0, 3]),
    ("llama.attention.head_count_kv", "head_count_kv", [2**32 - 1]),
    ("llama.embedding_length", "embedding_length", [0, 2**31]),
    ("llama.embedding_length", "channels of a head", [64]),
    ("llama.embedding_length", "token_embd.weight", [192]),
    ("llama.embedding_length", "are the most", [2**30]),
    ("llama.feed_forward_length", "ffn_gate.weight", [0, 64]),
    ("llama.feed_forward_length", "feed_forward_length", [2**32 - 1]),
    ("llama.rope.dimension_count", "dimension_count", [0, 1, 2**32 - 1]),
    ("llama.rope.dimension_count", "of the 64 channels", [3, 128]),
    ("llama.rope.freq_base", "freq_base", [0.0, float("nan"), float("inf")]),
    ("llama.attention.layer_norm_rms_epsilon", "epsilon", [-1.0, float("nan"), float("inf")]),
]


@pytest.mark.parametrize(("key", "word", "numbers"), NUMBERS)
def test_an_invalid_number_is_named(tiny_gguf: Path, tmp_path: Path, key: str, word: str, numbers: list[float]) -> None:
    home, good = ModelCache(tmp_path / "home"), tiny_gguf.read_bytes()
    for number in numbers:
        assert word in refused(home, tmp_path / "hostile.gguf", renumber(good, key, number))


def test_a_failed_load_is_reported_in_one_line(tiny_gguf: Path, tmp_path: Path) -> None:
    path = tmp_path / "hostile.gguf"
    path.write_bytes(renumber(tiny_gguf.read_bytes(), "tokenizer.ggml.eos_token_id", 2**31))
    command = [sys.executable, "-m", "forefront.cli", "serve", str(path), "--port", "0"]
    environment = os.environ | {"FOREFRONT_HOME": str(tmp_path / "home")}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert "eos_token_id is 2147483648, but there are 512 tokens" in ended.stderr
    assert "Traceback" not in ended.stderr


# The peak of the resident memory while a file is loaded, in MiB.
PEAK = """
import sys
from pathlib import Path
from forefront.catalog.loaders.gguf_model import GgufModel
from forefront.catalog.sources.source import ModelSource
from forefront.catalog.model_cache import ModelCache
try:
    GgufModel(ModelSource("hostile", Path(sys.argv[1])), ModelCache(Path(sys.argv[2])), exact=False).load()
except Exception as error:
    print(error, file=sys.stderr)
# ru_maxrss would include the process that this one was forked from.
print(next(int(line.split()[1]) // 1024 for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""
LONG_ARRAYS = {
    "bytes": (BYTE, 2**23 - 32, bytes(2**23 - 32)),
    "texts": (TEXT, 2**20, struct.pack("<Q", 0) * 2**20),
    "arrays": (ARRAY, 2**19, struct.pack("<IQI", BYTE, 4, 0) * 2**19),
}


@pytest.mark.parametrize("kind", LONG_ARRAYS)
def test_an_array_takes_memory_in_proportion_to_its_bytes(tiny_gguf: Path, tmp_path: Path, kind: str) -> None:
    number, count, content = LONG_ARRAYS[kind]
    entry = field(b"x" * 8, ARRAY, struct.pack("<IQ", number, count) + content)
    path = tmp_path / "hostile.gguf"
    path.write_bytes(with_field(tiny_gguf.read_bytes(), entry))
    command = [sys.executable, "-c", PEAK, str(path), str(tmp_path / "home")]
    assert int(subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout) < 400


@pytest.mark.parametrize("kind", ["padding", "unknown", "eos"])
def test_a_missing_special_token(tiny_gguf: Path, tmp_path: Path, kind: str) -> None:
    """Converters write the largest number, or -1."""
    name = f"tokenizer.ggml.{kind}_token_id".encode()
    good = tiny_gguf.read_bytes()
    if name in good:
        good = renumber(good, name.decode(), 2**32 - 1)
    else:
        good = with_field(good, field(name, 5, struct.pack("<i", -1)))
    assert refused(ModelCache(tmp_path / "home"), tmp_path / "plain.gguf", good) == ""


@pytest.mark.slow
def test_an_exported_model_with_impossible_numbers(tiny_directory: Path, tmp_path: Path) -> None:
    exported = tmp_path / "exported"
    shutil.copytree(tiny_directory, exported)
    for context, ends in ((2**32 - 1, 2), (True, 2), (2048, "2"), (2048, [2, 2**31]), (2048, -1)):
        (exported / "config.json").write_text(json.dumps({"max_position_embeddings": context}))
        (exported / "generation_config.json").write_text(json.dumps({"eos_token_id": ends}))
        with pytest.raises(
            (SourceError, LoadError), match=r"no context length between 1 and|that end an answer|to end answers"
        ):
            parts = load_ir(exported)
            assert isinstance(parts, ModelParts)
            load_backend(parts, ModelOptions())
