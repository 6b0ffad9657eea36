"""Mapped weights leave memory once the kernels have their own copies."""

from pathlib import Path

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
