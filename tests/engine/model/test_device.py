"""Where a model runs, and the layout of its KV cache there."""

import pytest

from forefront.chat.local.loading import ModelParts
from forefront.engine.model.device import DeviceError, choose_device
from forefront.engine.model.model import ModelOptions, PagedModel
from forefront.engine.model.step_inputs import SequenceInput


@pytest.mark.parametrize(
    ("name", "seen", "chosen"),
    [
        ("CPU", ["CPU"], "CPU"),
        ("AUTO", ["CPU"], "CPU"),
        ("AUTO", ["CPU", "GPU"], "GPU"),
        ("AUTO", ["CPU", "GPU.0", "GPU.1"], "GPU.0"),
        ("GPU", ["CPU", "GPU.0", "GPU.1"], "GPU"),
        ("GPU.0", ["CPU", "GPU"], "GPU.0"),
        ("GPU.1", ["CPU", "GPU.0", "GPU.1"], "GPU.1"),
    ],
)
def test_a_device_is_found(name: str, seen: list[str], chosen: str) -> None:
    assert choose_device(name, seen) == chosen


@pytest.mark.parametrize("name", ["GPU", "GPU.1", "gpu", "NPU", "", "GPU.", "CPU,GPU", "MULTI:CPU"])
def test_a_missing_device_gives_a_short_error(name: str) -> None:
    with pytest.raises(
        DeviceError, match=r"^there is no device .*; OpenVINO sees CPU$|^'.*' is not a device: it is CPU"
    ):
        choose_device(name, ["CPU"])


def test_the_layout_of_the_cache_is_the_devices(tiny_parts: ModelParts) -> None:
    """On a CPU: blocks of 32 tokens, whatever the precision. A copied block is the same sequence."""
    for precision in ("u8", "f16", "f32"):
        model = PagedModel(tiny_parts.graph, 2048, ModelOptions(contexts=1, kv_precision=precision))
        assert model.block_size == 32
        first = model.run([SequenceInput(0, [5, 6, 7], [0])], [2], [1.0]).full.copy()
        model.copy_block(0, 4)
        again = model.run([SequenceInput(2, [7], [4])], [0], [1.0]).full
        assert abs(again - first).max() < 0.1
    with pytest.raises(DeviceError, match="there is no device GPU"):
        PagedModel(tiny_parts.graph, 2048, ModelOptions(device="GPU.99"))
