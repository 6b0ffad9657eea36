"""The KV cache of a compiled graph, in the layout and the memory that its device wants."""

import math
from typing import Any

from forefront.engine.model.device import is_gpu
from forefront.engine.model.openvino_import import ov


class KvCache:
    """Keys and values of all layers in blocks of `block_size` tokens, `block_bytes` each over all layers.

    The compiled graph declares the shapes. Values are [blocks, heads, tokens of a block, channels]; keys have another
    order on some devices.
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
        """Give an inference request a new cache of so many blocks. Raises `RuntimeError`."""
        for index, (kind, shape) in self._ports.items():
            tensor = self._tensor(kind, ov.Shape([blocks, *shape]))
            request.set_input_tensor(index, tensor)
            self._tensors.append(tensor)

    def free(self) -> None:
        """Let go of the memory, which the request must have let go of."""
        self._tensors.clear()

    def copy_block(self, source: int, target: int) -> None:
        """Copy the keys and values of one block to another, in every layer."""
        for tensor in self._tensors:
            if is_gpu(self._device):
                _view(tensor, source).copy_to(_view(tensor, target))
            else:
                tensor.data[target] = tensor.data[source]

    def _tensor(self, kind: ov.Type, shape: ov.Shape) -> Any:
        if is_gpu(self._device):  # what the graph writes to memory of the host would be lost
            return self._core.get_default_context(self._device).create_tensor(kind, shape, {})
        return ov.Tensor(kind, shape)


def _view(tensor: Any, block: int) -> Any:
    """One block of a tensor in the memory of a GPU."""
    begin, end = [block, 0, 0, 0], [block + 1, *list(tensor.get_shape())[1:]]
    return ov.RemoteTensor(tensor, ov.Coordinate(begin), ov.Coordinate(end))
