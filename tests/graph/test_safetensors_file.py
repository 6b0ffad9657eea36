"""Safetensors files are read as they were written; damaged ones are refused in one sentence, at little cost."""

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forefront.graph.errors import ModelFileError
from forefront.graph.hugging_face.safetensors_file import INDEX, read_tensors, safetensors_paths
from forefront.graph.model_file import Tensor
from tests.support.models.hf_decoder import Array, bfloat16, write_safetensors, write_shards
from tests.support.models.mutations import MUTATION, mutated, read_or_refused

TENSORS: dict[str, tuple[str, Array]] = {
    "one": ("F32", np.arange(6, dtype=np.float32).reshape(2, 3)),
    "two": ("F16", np.full((3, 5), 0.5, np.float16)),
    "three": bfloat16(np.full((2, 2, 4), 1.5, np.float32)),
    "four": ("I32", np.arange(4, dtype=np.int32)),
    "five": ("F64", np.array(2.5)),
}


def read(directory: Path) -> dict[str, Tensor]:
    return read_tensors(directory, safetensors_paths(directory))[0]


def raw(header: Any, data: bytes = bytes(64)) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(shape: Any, start: Any, end: Any, kind: Any = "F32") -> dict[str, Any]:
    return {"dtype": kind, "shape": shape, "data_offsets": [start, end]}


@pytest.mark.parametrize("shards", [1, 3])
def test_tensors_are_read(tmp_path: Path, shards: int) -> None:
    write_shards(tmp_path, TENSORS, shards)
    tensors = read(tmp_path)
    assert tensors["one"].floats().tolist() == [[0, 1, 2], [3, 4, 5]]
    assert (tensors["two"].shape, tensors["two"].format.name) == ((3, 5), "F16")
    assert (tensors["three"].floats() == 1.5).all()
    assert tensors["four"].data[:].view("<i4").tolist() == [[0, 1, 2, 3]]
    assert tensors["five"].floats().tolist() == [2.5]


def test_one_file_of_another_name_is_read(tmp_path: Path) -> None:
    write_safetensors(tmp_path / "weights.safetensors", TENSORS)
    assert set(read(tmp_path)) == set(TENSORS)


HOSTILE = {
    "empty": (b"", "is empty"),
    "short": (b"\1\0\0", "not a safetensors file"),
    "something else": (b"PK\3\4" + bytes(60), "not a safetensors file"),
    "long header": (struct.pack("<Q", 2**62) + b"{}", "cut off"),
    "no JSON": (raw(b"{'a': 1}"), "not JSON"),
    "deep JSON": (raw(b"[" * 200_000), "not JSON"),
    "a list": (raw([]), "not a JSON object"),
    "bytes": (raw(b"\xff\xfe{}"), "not JSON"),
    "twice": (raw(b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":0}'), "same name twice"),
    "no description": (raw({"t": 3}), "no description of the tensor 't'"),
    "unknown type": (raw({"t": entry([4], 0, 16, "Q9")}), "unknown type 'Q9'"),
    "no type": (raw({"t": {"shape": [4]}}), "unknown type 'None'"),
    "no shape": (raw({"t": {"dtype": "F32", "data_offsets": [0, 4]}}), "unusable shape"),
    "negative": (raw({"t": entry([-4], 0, 16)}), "unusable shape"),
    "fractions": (raw({"t": entry([4.0], 0, 16)}), "unusable shape"),
    "true": (raw({"t": entry([True], 0, 4)}), "unusable shape"),
    "dimensions": (raw({"t": entry([1] * 9, 0, 4)}), "unusable shape"),
    "nothing": (raw({"t": entry([0, 4], 0, 0)}), "does not fit"),
    "huge": (raw({"t": entry([2**39, 2**39], 0, 64)}), "does not fit"),
    "other size": (raw({"t": entry([4], 0, 20)}), "4 values does not fit"),
    "backwards": (raw({"t": entry([4], 16, 0)}), "does not fit"),
    "far away": (raw({"t": entry([4], 2**60, 2**60 + 16)}), "reaches past its end"),
    "cut off": (raw({"t": entry([32], 0, 128)}), "reaches past its end"),
    "overlap": (raw({"t": entry([4], 0, 16), "u": entry([4], 8, 24)}), "overlaps"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_malicious_file_gives_a_short_error(name: str, tmp_path: Path) -> None:
    content, reason = HOSTILE[name]
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(ModelFileError, match=reason) as error:
        read(tmp_path)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 300


INDEXES = {
    "no JSON": (b"{", "not JSON"),
    "no map": ({}, "no weight_map"),
    "empty map": ({"weight_map": {}}, "no weight_map"),
    "numbers": ({"weight_map": {"one": 3}}, "no weight_map"),
    "elsewhere": ({"weight_map": {"one": "../model.safetensors"}}, "no safetensors file beside it"),
    "root": ({"weight_map": {"one": "/etc/passwd"}}, "no safetensors file beside it"),
    "missing": ({"weight_map": {"one": "b.safetensors"}}, r"'b\.safetensors', which is missing"),
    "no such tensor": (
        {"weight_map": {"six": "model.safetensors"}},
        "'six' in 'model.safetensors', which does not contain it",
    ),
}


@pytest.mark.parametrize("name", INDEXES)
def test_a_broken_index_gives_a_short_error(name: str, tmp_path: Path) -> None:
    content, reason = INDEXES[name]
    write_safetensors(tmp_path / "model.safetensors", TENSORS)
    (tmp_path / INDEX).write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    with pytest.raises(ModelFileError, match=reason):
        read(tmp_path)


def test_a_tensor_in_two_files_is_refused(tmp_path: Path) -> None:
    write_shards(tmp_path, TENSORS, 2)
    first, second = safetensors_paths(tmp_path)
    write_safetensors(second, TENSORS)
    with pytest.raises(ModelFileError, match=f"^{second.name}: it has the tensor '.*' in another file too"):
        read(tmp_path)
    assert first != second


def test_files_without_an_index_are_refused(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_safetensors(tmp_path / f"{name}.safetensors", TENSORS)
    with pytest.raises(ModelFileError, match="2 files"):
        read(tmp_path)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("good") / "m.safetensors"
    write_safetensors(path, TENSORS)
    return path.read_bytes()


@settings(max_examples=300, deadline=2000, suppress_health_check=list(HealthCheck))
@given(mutations=st.lists(MUTATION, min_size=1, max_size=6))
def test_a_mutated_file_loads_or_is_refused(good: bytes, tmp_path: Path, mutations: list[tuple[str, int, int]]) -> None:
    (tmp_path / "model.safetensors").write_bytes(mutated(good, mutations))
    read_or_refused(lambda: read(tmp_path))
