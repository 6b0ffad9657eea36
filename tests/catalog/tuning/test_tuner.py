"""The search for the fastest options, and its record."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from forefront.catalog.loaders.gguf_model import GgufModel
from forefront.catalog.loaders.local_loader import load, load_parts
from forefront.catalog.model_cache import ModelCache
from forefront.catalog.sources.source import ModelSource
from forefront.catalog.tuning.tuner import Tuner, thread_counts
from forefront.catalog.tuning.tuning_store import Tuning, Tunings
from forefront.engine.model.model import ModelOptions, compile_properties
from forefront.engine.model.speed import Speed
from tests.support.models.loaded import Silent


def search(speed: Callable[[Tuning], float], *, cores: int = 8, approximate: bool = False) -> tuple[Tuning, Tuner]:
    """What is chosen if a tuning has that speed at everything, and the search."""
    visits: Counter[Tuning] = Counter()

    def measure(tuning: Tuning) -> Speed:
        visits[tuning] += 1
        value = speed(tuning) * (0.5 if visits[tuning] == 1 else 1)  # the first time beside other work
        return Speed(value, value, value)

    tuner = Tuner(measure, cores, approximate)
    best = tuner.find()
    assert min(visits.values()) >= 2
    assert sum(visits.values()) == tuner.visits
    return best, tuner


def test_options_are_chosen_together() -> None:
    """Six unpinned threads are best here, although six pinned ones are the worst."""

    def speed(tuning: Tuning) -> float:
        threads = tuning.threads or 8
        return (2.0 if threads == 6 else 1.5) if not tuning.pinned else (1.0 if threads == 8 else 0.5)

    best, tuner = search(speed)
    assert best == Tuning(threads=6, pinned=False)
    assert tuner.speeds[best].ratio(tuner.speeds[Tuning()]) == pytest.approx(2)


def test_a_gain_within_noise_changes_nothing() -> None:
    assert search(lambda tuning: 1.0 if tuning == Tuning() else 1.02)[0] == Tuning()


def test_results_change_only_if_it_is_allowed() -> None:
    def speed(tuning: Tuning) -> float:
        return (1.5 if tuning.kv_precision == "u8" else 1.0) * (1.5 if tuning.precision == "bf16" else 1.0)

    assert search(speed)[0] == Tuning()
    assert search(speed, approximate=True)[0] == Tuning(kv_precision="u8", precision="bf16")


@pytest.mark.parametrize(("cores", "counts"), [(1, []), (2, [1]), (3, [2, 1]), (4, [3, 2]), (16, [12, 8])])
def test_numbers_of_threads(cores: int, counts: list[int]) -> None:
    assert thread_counts(cores) == counts


def test_options_of_the_user_come_first() -> None:
    tuning = Tuning(threads=3, pinned=False, kv_precision="u8", precision="bf16")
    tuned = tuning.apply(ModelOptions())
    assert tuned == ModelOptions(threads=3, pinned=False, kv_precision="u8", inference_precision="bf16")
    assert compile_properties(tuned, "CPU")["ENABLE_CPU_PINNING"] is False
    assert tuning.apply(ModelOptions(threads=1)).threads == 1
    assert tuning.apply(ModelOptions(device="GPU")) == ModelOptions(device="GPU")


def test_a_result_is_kept_for_one_model_and_one_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tunings = Tunings(tmp_path)
    assert tunings.find("a" * 64) is None
    tunings.keep("a" * 64, Tuning(threads=3))
    assert tunings.find("a" * 64) == Tuning(threads=3)
    assert tunings.find("b" * 64) is None
    with monkeypatch.context() as patch:
        patch.setattr("forefront.catalog.tuning.tuning_store.available_cores", lambda: 99)
        assert tunings.find("a" * 64) is None
    [file] = (tmp_path / "tuning").iterdir()
    for damaged in (b"", b"\xff", b"[]", b'{"threads": "3"}'):
        file.write_bytes(damaged)
        assert tunings.find("a" * 64) is None


def test_a_model_is_loaded_with_its_tuning(tiny_gguf: Path, tmp_path: Path) -> None:
    source, cache = ModelSource("tiny", tiny_gguf), ModelCache(tmp_path)
    plain = load(source, cache, ModelOptions(contexts=1), Silent())
    digest = GgufModel(source, cache, exact=False).digest
    tuning = Tuning(threads=1, kv_precision="u8", precision="bf16")
    Tunings(tmp_path).keep(digest, tuning)
    tuned = load(source, cache, ModelOptions(contexts=1), Silent())
    assert tuned.build.quantization.endswith(", bf16, 8-bit activations, u8 KV cache")
    assert tuned.fingerprint != plain.fingerprint
    assert tuned.memory_bytes is not None
    assert plain.memory_bytes is not None
    assert tuned.memory_bytes < plain.memory_bytes
    # `forefront tune` itself measures without earlier results.
    options = replace(ModelOptions(), contexts=1)
    assert load_parts(source, cache, options, Silent()).options == options
