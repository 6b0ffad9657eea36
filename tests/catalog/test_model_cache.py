"""The cache of models: a folder is made once, appears only when complete, and is found by content."""

import os
import threading
from pathlib import Path

import pytest

from forefront.catalog.model_cache import ModelCache


def is_complete(folder: Path) -> bool:
    return (folder / "done").is_file()


def make(store: ModelCache, name: str = "model") -> Path:
    with store.folder(name, is_complete) as folder:
        if not is_complete(folder):
            (folder / "done").write_text("")
    return store.models / name


def test_a_folder_is_made_once(tmp_path: Path) -> None:
    store = ModelCache(tmp_path)
    final = make(store)
    with store.folder("model", is_complete) as folder:
        assert folder == final
    assert list(store.models.iterdir()) == [final]


def test_failed_work_leaves_no_state(tmp_path: Path) -> None:
    store = ModelCache(tmp_path)
    with pytest.raises(RuntimeError), store.folder("model", is_complete) as folder:
        (folder / "half").write_text("")
        raise RuntimeError
    assert list(store.models.iterdir()) == []


def test_a_damaged_folder_is_recreated(tmp_path: Path) -> None:
    store = ModelCache(tmp_path)
    (make(store) / "done").unlink()
    assert is_complete(make(store))
    assert len(list(store.models.iterdir())) == 1


def test_concurrent_pulls_share_one_folder(tmp_path: Path) -> None:
    barrier = threading.Barrier(4)

    def work() -> None:
        with ModelCache(tmp_path).folder("model", is_complete) as folder:
            barrier.wait()
            (folder / "done").write_text("")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["model"]


def test_a_digest_is_cached_until_the_file_changes(tmp_path: Path) -> None:
    store, path = ModelCache(tmp_path / "home"), tmp_path / "file"
    path.write_bytes(b"one")
    os.utime(path, (1, 1))
    first = store.digest([path])
    assert first == "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"
    # The same size and time of change: it is not read again.
    path.write_bytes(b"two")
    os.utime(path, (1, 1))
    assert ModelCache(tmp_path / "home").digest([path]) == first
    os.utime(path, (2, 2))
    assert ModelCache(tmp_path / "home").digest([path]) != first


def test_a_digest_needs_no_home(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"one")
    (tmp_path / "in the way").write_text("")
    assert ModelCache(tmp_path / "in the way").digest([tmp_path / "file"]).startswith("7692c3")


def test_the_digest_of_several_files_depends_on_each(tmp_path: Path) -> None:
    store, paths = ModelCache(tmp_path / "home"), [tmp_path / "a", tmp_path / "b"]
    for path in paths:
        path.write_text(path.name)
    assert len({store.digest(paths), store.digest(paths[::-1]), store.digest(paths[:1])}) == 3
