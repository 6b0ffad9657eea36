"""The joined matrix of attention, whose rows lie in groups in some checkpoints, as GGUF has it."""

import numpy as np
import numpy.typing as npt

from forefront.graph.block_bits import Bytes
from forefront.graph.errors import ModelFileError
from forefront.graph.hugging_face.config import HfConfig
from forefront.graph.model_file import MatrixRows, Tensor

Rows = npt.NDArray[np.int64]


def ungrouped(config: HfConfig, tensor: Tensor) -> Tensor:
    """A matrix or bias with all queries first, then all keys, then all values. Raises `ModelFileError`."""
    heads = config.integer("num_attention_heads", at_least=1)
    keys = config.integer("num_key_value_heads", default=heads, at_least=1)
    width = config.integer("head_dim", default=config.integer("hidden_size", at_least=1) // heads, at_least=1)
    if heads % keys or tensor.shape[0] != (heads + 2 * keys) * width:
        raise ModelFileError(f"its tensor {tensor.name[:80]!r} does not fit its {heads} heads and {keys} heads of keys")
    places = np.arange(tensor.shape[0]).reshape(keys, heads // keys + 2, width)
    order = np.concatenate([places[:, :-2].ravel(), places[:, -2].ravel(), places[:, -1].ravel()])
    if len(tensor.shape) == 1:
        data = np.ascontiguousarray(tensor.data[:].reshape(tensor.shape[0], -1)[order]).reshape(1, -1)
        return Tensor(tensor.name, tensor.shape, tensor.format, data)
    return Tensor(tensor.name, tensor.shape, tensor.format, _Ordered(tensor.data, order), tensor.input_order)


class _Ordered:
    """Rows in another order. See `MatrixRows`."""

    def __init__(self, data: Bytes | MatrixRows, order: Rows) -> None:
        self._data, self._order = data, order
        self.shape: tuple[int, ...] = data.shape

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, selected: slice | Rows) -> Bytes:
        """Bytes [rows, bytes of a row]."""
        return self._data[self._order[selected]]
