"""The choice of a model's files in a repository: the listings are shaped as those of public repositories."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from forefront.catalog.machine.control_groups import ControlGroups
from forefront.catalog.machine.memory import machine_memory
from forefront.catalog.pull.hub.file_selection import SelectionError, fits_memory, select
from forefront.catalog.pull.hub.repository import Repository, RepositoryFile

GB = 10**9


def named(sizes: Mapping[str, float]) -> Repository:
    files = tuple(RepositoryFile(path, int(size * GB), "0" * 64) for path, size in sizes.items())
    return Repository("owner/repo", "0" * 40, "", files)


# One model in many quantisations, with a projector and a file for quantising.
MANY = named(
    {
        "README.md": 0,
        "google_gemma-3-4b-it-imatrix.gguf": 0.01,
        "gemma-3-4b-it-bf16.gguf": 7.8,
        "gemma-3-4b-it-Q8_0.gguf": 4.1,
        "gemma-3-4b-it-Q6_K_L.gguf": 3.4,
        "gemma-3-4b-it-Q6_K.gguf": 3.2,
        "gemma-3-4b-it-Q4_K_M.gguf": 2.5,
        "gemma-3-4b-it-IQ4_XS.gguf": 2.3,
        "gemma-3-4b-it-Q2_K.gguf": 1.7,
        "mmproj-gemma-3-4b-it-f32.gguf": 1.7,
        "mmproj-gemma-3-4b-it-f16.gguf": 0.85,
    }
)
# Parts in a folder for each quantisation, and small quantisations beside them.
FOLDERS = named(
    {f"UD-Q4_K_XL/big-UD-Q4_K_XL-0000{n}-of-00003.gguf": 40 for n in (1, 2, 3)}
    | {f"Q8_0/big-Q8_0-0000{n}-of-00005.gguf": 45 for n in (1, 2, 3, 5)}
    | {"big-Q2_K.gguf": 60}
)


@pytest.mark.parametrize(
    ("memory", "main"),
    [
        (64, "gemma-3-4b-it-Q8_0.gguf"),
        (8, "gemma-3-4b-it-Q6_K_L.gguf"),
        (7, "gemma-3-4b-it-Q6_K.gguf"),
        (6, "gemma-3-4b-it-Q4_K_M.gguf"),
        (5, "gemma-3-4b-it-Q2_K.gguf"),
    ],
)
def test_the_best_quantisation_that_fits_is_chosen(memory: float, main: str) -> None:
    selection = select(MANY, "", int(memory * GB))
    assert selection.main == main
    assert selection.projector == "mmproj-gemma-3-4b-it-f16.gguf"
    assert len(selection.files) == 2


def test_no_fitting_variant_lists_all() -> None:
    with pytest.raises(
        SelectionError, match=r"no quantisation fits the 3\.0 GiB .*hf:owner/repo:Q2_K \(1\.7 GB\), .*BF16"
    ):
        select(MANY, "", 3 * 2**30)


@pytest.mark.parametrize(
    ("wanted", "main"),
    [
        ("Q4_K_M", "gemma-3-4b-it-Q4_K_M.gguf"),
        ("iq4_xs", "gemma-3-4b-it-IQ4_XS.gguf"),
        ("BF16", "gemma-3-4b-it-bf16.gguf"),
        ("gemma-3-4b-it-Q2_K.gguf", "gemma-3-4b-it-Q2_K.gguf"),
    ],
)
def test_a_named_file_takes_precedence_over_the_fitting_one(wanted: str, main: str) -> None:
    assert select(MANY, wanted, 1).main == main


def test_parts_are_selected_as_a_whole() -> None:
    selection = select(FOLDERS, "ud-q4_k_xl", 1)
    assert selection.main == "UD-Q4_K_XL/big-UD-Q4_K_XL-00001-of-00003.gguf"
    assert selection.size == 120 * GB
    one_part = select(FOLDERS, "big-UD-Q4_K_XL-00002-of-00003.gguf", 1)
    assert one_part == selection
    with pytest.raises(SelectionError, match="has 5 parts, of which 1 are missing"):
        select(FOLDERS, "Q8_0", 1)
    assert select(FOLDERS, "", 1000 * GB).main == "big-Q2_K.gguf"  # neither unknown names nor incomplete ones


def test_several_models_in_one_repository_must_be_named() -> None:
    two = named({"a-Q4_K_M.gguf": 1, "b-Q4_K_M.gguf": 2})
    for wanted in ("", "Q4_K_M"):
        with pytest.raises(
            SelectionError, match=r"hf:owner/repo:a-Q4_K_M\.gguf \(1 GB\), hf:owner/repo:b-Q4_K_M\.gguf"
        ):
            select(two, wanted, 100 * GB)
    assert select(two, "b-Q4_K_M.gguf", 100 * GB).main == "b-Q4_K_M.gguf"


@pytest.mark.parametrize("name", ["model.gguf", "ggml-model-i2_s.gguf", "Phi-3-mini-4k-instruct-q4.gguf"])
def test_a_single_file_of_any_name_is_chosen(name: str) -> None:
    assert select(named({name: 1}), "", 100 * GB).main == name


def test_files_of_unknown_quantisations_must_be_named() -> None:
    with pytest.raises(SelectionError, match=r"name one of its files: hf:owner/repo:a\.gguf"):
        select(named({"a.gguf": 1, "b.gguf": 1}), "", 100 * GB)


@pytest.mark.parametrize(
    ("paths", "weights"),
    [
        ({"model.safetensors", "consolidated.safetensors"}, {"model.safetensors"}),
        ({"model-00001-of-00001.safetensors", "consolidated.safetensors"}, {"model-00001-of-00001.safetensors"}),
        ({"model.safetensors", "fp16/model.safetensors", "pytorch_model.bin"}, {"model.safetensors"}),
        ({"weights.safetensors"}, {"weights.safetensors"}),
    ],
)
def test_weights_of_a_directory_are_selected_once(paths: set[str], weights: set[str]) -> None:
    selection = select(named(dict.fromkeys([*sorted(paths), "config.json", "tokenizer.json", "train.py"], 0.1)), "", 1)
    assert {file.path for file in selection.files} == weights | {"config.json", "tokenizer.json"}
    assert (selection.main, selection.projector) == ("", "")


@pytest.mark.parametrize(
    ("paths", "reason"),
    [
        (["README.md"], "neither GGUF files nor config.json"),
        (["config.json"], "neither GGUF files nor config.json"),
        (["model.safetensors"], "neither GGUF files nor config.json"),
        (["config.json", "pytorch_model.bin"], "pickled"),
        (["adapter_config.json", "adapter_model.safetensors"], "adapter"),
        (["mmproj-model-f16.gguf"], "neither GGUF files nor config.json"),
    ],
)
def test_a_repository_without_a_model_is_refused(paths: list[str], reason: str) -> None:
    with pytest.raises(SelectionError, match=reason):
        select(named(dict.fromkeys(paths, 1)), "", 100 * GB)
    with pytest.raises(SelectionError, match="it has no file or quantisation Q4_0: it has no GGUF files"):
        select(named(dict.fromkeys(paths, 1)), "Q4_0", 100 * GB)


def test_a_container_has_less_memory_than_its_machine(tmp_path: Path) -> None:
    assert machine_memory() > 2**28
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:       16777216 kB\nMemFree:        1 kB\n")
    assert machine_memory(meminfo, ControlGroups(tmp_path)) == 2**34
    (tmp_path / "memory.max").write_text("max\n")
    assert machine_memory(meminfo, ControlGroups(tmp_path)) == 2**34
    (tmp_path / "memory.max").write_text(f"{2**32}\n")
    assert machine_memory(meminfo, ControlGroups(tmp_path)) == 2**32


def test_a_file_fits_with_a_reserve_of_memory() -> None:
    assert fits_memory(2**30, 4 * 2**30)
    assert not fits_memory(2**30, 3 * 2**30)
