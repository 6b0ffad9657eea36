"""GGUF files are read as they were written; damaged and hostile ones are refused in one sentence, at little cost."""

import struct
import time
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forefront.graph.errors import ModelFileError
from forefront.graph.gguf.gguf_file import GgufFile
from tests.support.models.mutations import MUTATION, mutated, read_or_refused


def write(path: Path, tensors: dict[str, np.ndarray], **fields: Any) -> None:
    writer = gguf.GGUFWriter(path, "llama")
    for key, value in fields.items():
        (writer.add_array if isinstance(value, list) else writer.add_string)(key, value)
    for name, values in tensors.items():
        writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def small(path: Path) -> bytes:
    """The bytes of a small file with every kind of value."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_uint32("number", 7)
    writer.add_float32("float", 0.5)
    writer.add_bool("bool", True)
    writer.add_string("text", "über")
    writer.add_array("texts", ["a", "", "日本"])
    writer.add_array("numbers", [1, -2, 3])
    writer.add_array("floats", [0.5, 1.5])
    writer.add_array("nested", [[1, 2], [3]])
    writer.add_tensor("one", np.arange(6, dtype=np.float32).reshape(2, 3))
    quant = gguf.GGMLQuantizationType.Q8_0
    writer.add_tensor("two", gguf.quants.quantize(np.ones((3, 64), np.float32), quant), raw_dtype=quant)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path.read_bytes()


def test_values_and_tensors_are_read(tmp_path: Path) -> None:
    small(tmp_path / "m.gguf")
    file = GgufFile(tmp_path / "m.gguf")
    assert file.metadata["general.architecture"] == "llama"
    assert (file.metadata["number"], file.metadata["float"], file.metadata["bool"]) == (7, 0.5, True)
    assert (file.metadata["text"], file.metadata["texts"]) == ("über", ["a", "", "日本"])
    assert (file.metadata["numbers"], file.metadata["floats"]) == ([1, -2, 3], [0.5, 1.5])
    assert file.metadata["nested"] == [[1, 2], [3]]
    assert file.tensors["one"].floats().tolist() == [[0, 1, 2], [3, 4, 5]]
    assert (file.tensors["two"].shape, file.tensors["two"].format.name) == ((3, 64), "Q8_0")
    assert np.allclose(file.tensors["two"].floats(), 1, atol=1e-3)


def test_a_large_vocabulary_is_read_quickly(tmp_path: Path) -> None:
    tokens = [f"token{number}" for number in range(262_144)]
    write(tmp_path / "m.gguf", {}, tokens=tokens, scores=[0.25] * len(tokens))
    start = time.perf_counter()
    file = GgufFile(tmp_path / "m.gguf")
    assert time.perf_counter() - start < 2.5  # 0.15 s on a quiet machine
    assert file.metadata["tokens"] == tokens


def write_parts(folder: Path) -> list[Path]:
    paths = [folder / f"m-{number:05}-of-00003.gguf" for number in (1, 2, 3)]
    for number, path in enumerate(paths):
        writer = gguf.GGUFWriter(path, "llama")
        writer.add_uint16("split.no", number)
        writer.add_uint16("split.count", 3)
        writer.add_tensor(f"t{number}", np.full((2, 2), number, np.float32))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
    return paths


def test_a_file_in_parts_is_opened_from_any_of_them(tmp_path: Path) -> None:
    paths = write_parts(tmp_path)
    for path in paths:
        file = GgufFile(path)
        assert file.paths == paths
        assert [float(file.tensors[f"t{number}"].floats()[0, 0]) for number in range(3)] == [0, 1, 2]


def test_a_missing_or_renamed_part_is_reported(tmp_path: Path) -> None:
    paths = write_parts(tmp_path)
    paths[1].rename(tmp_path / "away")
    with pytest.raises(ModelFileError, match=r"3 parts, and m-00002-of-00003\.gguf is missing"):
        GgufFile(paths[0])
    paths[2].rename(paths[1])
    (tmp_path / "away").rename(paths[2])
    with pytest.raises(ModelFileError, match="part 2 of 3 is another part"):
        GgufFile(paths[0])
    paths[0].rename(tmp_path / "whole.gguf")
    with pytest.raises(ModelFileError, match="declares 3 parts"):
        GgufFile(tmp_path / "whole.gguf")


def header(tensors: int, fields: int, rest: bytes = b"", version: bytes = struct.pack("<I", 3)) -> bytes:
    return b"GGUF" + version + struct.pack("<QQ", tensors, fields) + rest


def text(value: bytes) -> bytes:
    return struct.pack("<Q", len(value)) + value


def entry(name: bytes, shape: list[int], kind: int, offset: int) -> bytes:
    return text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset)


ARRAY_OF = text(b"a") + struct.pack("<I", 9)
HOSTILE = {
    "empty": (b"", "is empty"),
    "something else": (b"PK\3\4" + bytes(60), "not a GGUF file"),
    "version 1": (header(0, 0, version=struct.pack("<I", 1)), "GGUF version 1"),
    "version 4": (header(0, 0, version=struct.pack("<I", 4)), "GGUF version 4"),
    "big-endian": (header(0, 0, version=struct.pack(">I", 3)), "big-endian"),
    "many fields": (header(0, 2**62), "more than the file holds"),
    "many tensors": (header(2**62, 0), "more than the file holds"),
    "long text": (header(0, 1, text(b"a") + struct.pack("<IQ", 8, 2**62)), "more than the file holds"),
    "long texts": (header(0, 1, ARRAY_OF + struct.pack("<IQ", 8, 2**40) + bytes(999)), "more than the file holds"),
    "long numbers": (header(0, 1, ARRAY_OF + struct.pack("<IQ", 4, 2**61) + bytes(999)), "more than the file holds"),
    "deep arrays": (header(0, 1, ARRAY_OF + struct.pack("<IQ", 9, 1) * 5000), "unknown type"),
    "unknown value": (header(0, 1, text(b"a") + struct.pack("<I", 77) + bytes(99)), "unknown type"),
    "key twice": (header(0, 2, (text(b"a") + struct.pack("<IB", 0, 1)) * 2 + bytes(64)), "key 'a' twice"),
    "no dimensions": (header(1, 0, entry(b"t", [], 0, 0) + bytes(64)), "0 dimensions"),
    "huge": (header(1, 0, entry(b"t", [2**40] * 4, 0, 0) + bytes(64)), "reaches past its end"),
    "nothing": (header(1, 0, entry(b"t", [0, 5], 0, 0) + bytes(64)), "does not fit"),
    "half a block": (header(1, 0, entry(b"t", [33, 2], 8, 0) + bytes(200)), "5 x 33|2 x 33 values"),
    "unknown format": (header(1, 0, entry(b"t", [32], 99, 0) + bytes(200)), "unknown format 99"),
    "far away": (header(1, 0, entry(b"t", [8], 0, 2**62) + bytes(64)), "reaches past its end"),
    "odd offset": (header(1, 0, entry(b"t", [2], 0, 4) + bytes(64)), "not aligned"),
    "overlap": (header(2, 0, entry(b"t", [16], 0, 0) + entry(b"u", [16], 0, 32) + bytes(300)), "overlaps"),
    "tensor twice": (header(2, 0, entry(b"t", [8], 0, 0) + entry(b"t", [8], 0, 32) + bytes(300)), "tensor 't' twice"),
    "alignment": (header(0, 1, text(b"general.alignment") + struct.pack("<II", 4, 3) + bytes(64)), "no power of two"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_malicious_file_gives_a_short_error(name: str, tmp_path: Path) -> None:
    content, reason = HOSTILE[name]
    (tmp_path / "m.gguf").write_bytes(content)
    with pytest.raises(ModelFileError, match=reason) as error:
        GgufFile(tmp_path / "m.gguf")
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 300


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return small(tmp_path_factory.mktemp("good") / "m.gguf")


@settings(max_examples=300, deadline=2000, suppress_health_check=list(HealthCheck))
@given(mutations=st.lists(MUTATION, min_size=1, max_size=6))
def test_a_mutated_file_loads_or_is_refused(good: bytes, tmp_path: Path, mutations: list[tuple[str, int, int]]) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(mutated(good, mutations))
    read_or_refused(lambda: GgufFile(path).tensors)


def test_released_pages_are_given_back_and_read_again(tmp_path: Path) -> None:
    smaps = Path("/proc/self/smaps")
    if not smaps.exists():
        pytest.skip("only Linux shows what is resident")
    path = tmp_path / "model.gguf"
    write(path, {"one": np.ones((1024, 1024), np.float32)})

    def resident() -> int:
        """KiB of the file that are mapped and in memory."""
        entry = smaps.read_text().partition(str(path))[2]
        return int(entry.partition("Rss:")[2].split()[0])

    file = GgufFile(path)
    assert file.tensors["one"].floats().sum() == 2**20
    assert resident() > 3500
    file.release()
    assert resident() < 500
    assert file.tensors["one"].floats().sum() == 2**20
