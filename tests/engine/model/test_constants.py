"""Mapped weights leave memory once the kernels have their own copies."""

from pathlib import Path

from forefront.catalog.machine.process_memory import anonymous_memory
from forefront.engine.model.model import ModelOptions, PagedModel
from forefront.engine.model.step_inputs import SequenceInput
from tests.support.models.loaded import build
from tests.support.models.random_model import write_random_gguf


def resident(path: Path) -> int:
    """KiB of the mappings of a file that are in this process's memory."""
    total, counted = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if "-" in line.partition(" ")[0]:  # the first line of a mapping
            counted = line.endswith(str(path))
        elif counted and line.startswith("Rss:"):
            total += int(line.split()[1])
    return total


def test_mapped_weights_are_not_resident_beside_their_copies(tmp_path: Path) -> None:
    file, cache = tmp_path / "model.gguf", tmp_path / "cache"
    write_random_gguf(file, d_model=256, ffn=1024)
    for _ in range(2):  # packed now, then read from the complete file
        built = build(file, cache)
        model = PagedModel(built.graph, 512, ModelOptions(contexts=1))
        for count in (1, 3, 70):  # other sizes take other kernels
            model.run([SequenceInput(0, [5] * count, [0, 1, 2])], [0], [1.0])
        assert (cache / "weights.bin").stat().st_size > 2**20
        assert resident(cache / "weights.bin") < 64
        assert resident(file) < 256  # rows of the embeddings
        model.close()


def test_matrices_of_sixteen_bits_take_sixteen_bits(tmp_path: Path) -> None:
    file, cache = tmp_path / "model.gguf", tmp_path / "cache"
    write_random_gguf(file, d_model=1024, heads=16, kv_heads=16, ffn=4096, quant="F16")
    before = anonymous_memory()
    model = PagedModel(build(file, cache).graph, 512, ModelOptions(contexts=1))
    model.run([SequenceInput(0, [5] * 70, [0, 1, 2])], [0], [1.0])
    after = anonymous_memory()
    size = file.stat().st_size
    assert size > 50 * 2**20
    assert after - before < 1.5 * size  # in 32 bits, the matrices alone would take twice the size
    assert (cache / "weights.bin").stat().st_size < size // 4  # matrices whose rows are in another order
    model.close()
