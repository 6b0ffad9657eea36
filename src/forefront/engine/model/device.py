"""Devices that OpenVINO compiles a model for."""

import re
from collections.abc import Sequence
from typing import Final

from forefront.engine.model.openvino_import import ov

_NAME: Final = re.compile(r"CPU|GPU(\.\d{1,3})?|AUTO")


class DeviceError(Exception):
    """The device does not exist. The message lists the available devices."""


def find_device(name: str) -> str:
    """See `choose_device`, among the devices that OpenVINO finds."""
    return choose_device(name, ov.Core().available_devices)


def choose_device(name: str, available: Sequence[str]) -> str:
    """The device of that name among those available: `CPU`, `GPU`, or `GPU.1` for the second GPU. `AUTO` is the first
    GPU, or the CPU without one. Raises `DeviceError`."""
    if _NAME.fullmatch(name) is None:
        raise DeviceError(f"{name[:40]!r} is not a device: it is CPU, GPU or AUTO, or GPU.1 for the second GPU")
    if name == "AUTO":
        return next((device for device in available if is_gpu(device)), "CPU")
    # A single GPU is listed as GPU, several as GPU.0 and so on. Both names refer to the first.
    if name.removesuffix(".0") not in {device.removesuffix(".0") for device in available}:
        raise DeviceError(f"there is no device {name}; OpenVINO sees {', '.join(available) or 'none'}")
    return name


def is_gpu(device: str) -> bool:
    """Whether the device is a GPU, with its own memory."""
    return device.startswith("GPU")
