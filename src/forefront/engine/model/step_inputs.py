"""The inputs of one forward pass, in arrays that are allocated once and bound to the request without a copy."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from forefront.engine.model.openvino_import import ov
from forefront.engine.model.padding import padded_size
from forefront.engine.model.paged_graph import Embed

_DTYPES: dict[str, type[np.generic]] = {
    "input_ids": np.int64,
    "position_ids": np.int64,
    "past_lens": np.int32,
    "subsequence_begins": np.int32,
    "block_indices": np.int32,
    "block_indices_begins": np.int32,
    "max_context_len": np.int32,
    "rows": np.int32,
    "temperatures": np.float32,
}


class SequenceInput(NamedTuple):
    """New tokens of one sequence. `num_computed_tokens` tokens before them are in the KV cache. `block_table`: the
    sequence's blocks in order, with room for `tokens`; a list or an int32 array."""

    num_computed_tokens: int
    tokens: Sequence[int]
    block_table: Any


class StepInputs:
    """Input arrays by name, bound to the OpenVINO `request`.

    Padding is a sequence of one token for each idle token, all in `padding_block`: a longer sequence would take the
    faster attention from a batch of decodes.
    """

    def __init__(self, request: Any, ports: dict[str, int], block_size: int, padding_block: int) -> None:
        self._request = request
        self._ports = ports
        self._block_size, self._padding_block = block_size, padding_block
        self._arrays = {name: np.zeros(64, dtype) for name, dtype in _DTYPES.items()}
        self._bound: dict[str, int] = {}  # sizes of the bound tensors
        self._embeddings: npt.NDArray[np.float32] | None = None
        self._places = np.arange(64, dtype=np.int64)

    def fill_sequences(self, sequences: Sequence[SequenceInput], embed: Embed | None) -> None:
        """Tokens, positions and block tables. `embed` makes embeddings of tokens for a graph that takes those."""
        count = len(sequences)
        tokens = [token for sequence in sequences for token in sequence.tokens]
        size = padded_size(len(tokens))
        padded = count + size - len(tokens)
        past = self._bind("past_lens", padded)
        past[:count] = [sequence.num_computed_tokens for sequence in sequences]
        past[count:] = 0
        begins, positions = self._bind("subsequence_begins", padded + 1), self._bind("position_ids", size)
        if len(self._places) <= size:
            self._places = np.arange(2 * size + 1, dtype=np.int64)
        if count == len(tokens):  # each sequence has one token, as in most steps
            begins[:] = self._places[: padded + 1]
            positions[:] = past
            lengths = past + 1
        else:
            new_tokens = np.ones(padded, np.int32)
            new_tokens[:count] = [len(sequence.tokens) for sequence in sequences]
            np.cumsum(new_tokens, out=begins[1:])
            np.add(np.repeat(past - begins[:-1], new_tokens), self._places[:size], out=positions)
            lengths = past + new_tokens
        self._bind("max_context_len", 0)[()] = lengths.max()
        ids = self._array("input_ids", size) if embed else self._bind("input_ids", size)
        ids[: len(tokens)] = tokens
        ids[len(tokens) :] = 0
        if embed:
            self._embeddings = np.ascontiguousarray(embed(ids))
            self._request.set_input_tensor(self._ports["embeddings"], ov.Tensor(self._embeddings, shared_memory=True))
        self._fill_blocks(sequences, -(-lengths // self._block_size))

    def fill_rows(self, rows: Sequence[int], temperatures: Sequence[float]) -> None:
        """The positions among all new tokens whose logits are computed, each with its temperature."""
        count = len(rows)
        size = padded_size(count)
        bound_rows, bound_temperatures = self._bind("rows", size), self._bind("temperatures", size)
        bound_rows[:count], bound_rows[count:] = rows, 0
        bound_temperatures[:count], bound_temperatures[count:] = temperatures, 1.0

    def _fill_blocks(self, sequences: Sequence[SequenceInput], used: npt.NDArray[np.integer]) -> None:
        """`used` [padded sequences]: blocks that hold each sequence's tokens."""
        begins = self._bind("block_indices_begins", len(used) + 1)
        np.cumsum(used, out=begins[1:])
        bounds = begins.tolist()
        blocks = self._bind("block_indices", bounds[-1])
        for sequence, begin, end in zip(sequences, bounds, bounds[1:], strict=False):
            blocks[begin:end] = sequence.block_table[: end - begin]
        blocks[bounds[len(sequences)] :] = self._padding_block

    def _bind(self, name: str, size: int) -> npt.NDArray[Any]:
        """The input array `name`, to be written to, bound to the request with `size` entries; 0 means a scalar."""
        array = self._array(name, size)
        if self._bound.get(name) != size:
            shaped = array.reshape(-1, 1) if name == "temperatures" else array
            self._request.set_input_tensor(self._ports[name], ov.Tensor(shaped, shared_memory=True))
            self._bound[name] = size
        return array

    def _array(self, name: str, size: int) -> npt.NDArray[Any]:
        whole = self._arrays[name]
        if size > len(whole):
            whole = self._arrays[name] = np.zeros(2 * size, _DTYPES[name])
            self._bound.pop(name, None)
        return whole[:size] if size else whole[:1].reshape(())
