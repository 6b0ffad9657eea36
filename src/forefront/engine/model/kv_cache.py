"""The KV cache of a compiled graph, in the layout and memory of its device."""

import math
from typing import Any

from forefront.engine.model.device import is_gpu
from forefront.engine.model.openvino_import import ov


class KvCache:
    """Keys and values of all layers, in blocks of `block_size` tokens and `block_bytes` bytes over all layers.

    The compiled graph declares the shapes. Values are [blocks, heads, tokens of a block, channels]; the order of keys
    depends on the device.
    """

    def __init__(self, core: ov.Core, compiled: ov.CompiledModel, device: str) -> None:
        self._core, self._device = core, device
        self._ports: dict[int, tuple[ov.Type, list[int]]] = {}
        self._tensors: list[Any] = []
        self.block_size = self.block_bytes = 0
        for index, port in enumerate(compiled.inputs):
            name = port.get_any_name()
            if "cache." not in name:
                continue
            kind, declared = port.get_element_type(), port.get_partial_shape()
            shape = [declared[dimension].get_length() for dimension in (1, 2, 3)]
            self._ports[index] = kind, shape
            self.block_bytes += math.prod(shape) * kind.size
            if name.startswith("value_cache."):
                self.block_size = shape[1]

    def allocate(self, request: Any, blocks: int) -> None:
        """Bind a new cache of `blocks` blocks to an inference request. Raises `RuntimeError`."""
        for index, (kind, shape) in self._ports.items():
            tensor = self._tensor(kind, ov.Shape([blocks, *shape]))
            request.set_input_tensor(index, tensor)
            self._tensors.append(tensor)

    def free(self) -> None:
        """Release the memory, after the request that it was bound to."""
        self._tensors.clear()

    def copy_block(self, source: int, target: int) -> None:
        """Copy the keys and values of one block to another, in every layer."""
        for tensor in self._tensors:
            if is_gpu(self._device):
                _view(tensor, source).copy_to(_view(tensor, target))
            else:
                tensor.data[target] = tensor.data[source]

    def _tensor(self, kind: ov.Type, shape: ov.Shape) -> Any:
        if is_gpu(self._device):  # writes of the graph to host memory would be lost
            return self._core.get_default_context(self._device).create_tensor(kind, shape, {})
        return ov.Tensor(kind, shape)


def _view(tensor: Any, block: int) -> Any:
    """One block of a tensor in GPU memory."""
    begin, end = [block, 0, 0, 0], [block + 1, *list(tensor.get_shape())[1:]]
    return ov.RemoteTensor(tensor, ov.Coordinate(begin), ov.Coordinate(end))
