"""The devices that OpenVINO can compile a model for."""

import re
from collections.abc import Sequence
from typing import Final

from forefront.engine.model.openvino_import import ov

_NAME: Final = re.compile(r"CPU|GPU(\.\d{1,3})?|AUTO")


class DeviceError(Exception):
    """There is no such device. The text names those that there are."""


def find_device(name: str) -> str:
    """The device of that name that OpenVINO sees: see `choose_device`. Raises `DeviceError`."""
    return choose_device(name, ov.Core().available_devices)


def choose_device(name: str, seen: Sequence[str]) -> str:
    """The device of that name, `CPU`, `GPU` or `GPU.1`, among those that are seen.

    `AUTO` is the first GPU, and the CPU where there is none. Raises `DeviceError`.
    """
    if _NAME.fullmatch(name) is None:
        raise DeviceError(f"{name[:40]!r} is not a device: it is CPU, GPU or AUTO, or GPU.1 for the second GPU")
    if name == "AUTO":
        return next((device for device in seen if is_gpu(device)), "CPU")
    # One GPU is listed as GPU, several as GPU.0 and so on; both names are those of the first.
    if name.removesuffix(".0") not in {device.removesuffix(".0") for device in seen}:
        raise DeviceError(f"there is no device {name}; OpenVINO sees {', '.join(seen) or 'none'}")
    return name


def is_gpu(device: str) -> bool:
    """Whether it is a GPU, which has memory of its own."""
    return device.startswith("GPU")
