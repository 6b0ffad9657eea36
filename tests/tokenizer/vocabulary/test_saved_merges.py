"""Merges that were computed once are read the next time; a file that does not fit is computed anew."""

from pathlib import Path

import numpy as np
import pytest

from forefront.tokenizer.vocabulary.saved_merges import Pairs, SavedMerges

TOKENS = 1 << 17
MERGES = np.array([[1, 2], [TOKENS - 1, 0]], np.int32)


class Computation:
    """Counts how often the merges are computed."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> Pairs:
        self.count += 1
        return MERGES


def test_merges_are_computed_once(tmp_path: Path) -> None:
    compute = Computation()
    for _ in range(3):
        assert np.array_equal(SavedMerges(tmp_path / "new" / "folder").get(TOKENS, compute), MERGES)
    assert compute.count == 1
    assert [path.name for path in (tmp_path / "new" / "folder").iterdir()] == ["merges.npy"]


def test_merges_of_a_small_vocabulary_are_not_saved(tmp_path: Path) -> None:
    compute = Computation()
    for _ in range(2):
        SavedMerges(tmp_path / "folder").get(1000, compute)
    assert compute.count == 2
    assert not (tmp_path / "folder").exists()


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-3]),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"\x80\x04N."),
        lambda path: np.save(path, MERGES.astype(np.int64)),
        lambda path: np.save(path, MERGES.ravel()),
        lambda path: np.save(path, MERGES + 1),
        lambda path: np.save(path, -MERGES),
        lambda path: np.save(path, np.array([None]), allow_pickle=True),
    ],
)
def test_a_damaged_file_is_replaced(damage: object, tmp_path: Path) -> None:
    assert callable(damage)
    compute, saved = Computation(), SavedMerges(tmp_path)
    saved.get(TOKENS, compute)
    damage(tmp_path / "merges.npy")
    for _ in range(2):
        assert np.array_equal(saved.get(TOKENS, compute), MERGES)
    assert compute.count == 2


def test_a_folder_that_cannot_be_written_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert np.array_equal(SavedMerges(tmp_path / "file" / "folder").get(TOKENS, Computation()), MERGES)
