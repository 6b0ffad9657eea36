"""The compiled graph, its KV cache and its inputs: one forward pass at a time."""

from collections.abc import Sequence as Rows
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from forefront.engine.model.device import find_device, is_gpu
from forefront.engine.model.kv_cache import KvCache
from forefront.engine.model.openvino_import import ov
from forefront.engine.model.padding import width
from forefront.engine.model.paged_graph import PagedGraph
from forefront.engine.model.sampling_head import add_sampling_head
from forefront.engine.sampling.sampler import Logits


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """How a model is compiled.

    `threads`: CPU threads, 0 for all cores. `kv_cache_bytes`: memory for the KV cache at most (more than `contexts`
    whole contexts is never taken). The precisions are OpenVINO's: `f32` computation is what the weights' file promises,
    `bf16` reads prompts faster where the CPU has it and is coarser everywhere. `quantize_activations` rounds the inputs
    of quantised matrices to 8 bits, as llama.cpp does; without it batches run 2 to 5 times slower. `quantize_weights`:
    "int8" or "int4" for matrices that the files have as plain numbers, or "". A `u8` KV cache halves the memory but
    makes a result depend on how its prompt was cut into chunks; `f16` does not, and is faster. `device`: as
    `find_device` takes it.
    """

    threads: int = 0
    kv_cache_bytes: int = 2 * 2**30
    contexts: int = 64
    kv_precision: str = "f16"
    inference_precision: str = "f32"
    quantize_activations: bool = True
    quantize_weights: str = ""
    device: str = "CPU"


@dataclass(frozen=True, slots=True)
class Run:
    """New tokens of one sequence: `past` tokens are cached in `blocks`, the rest of which has room for `tokens`."""

    past: int
    tokens: Rows[int]
    blocks: Rows[int]


class PagedModel:
    """A model on a device with `block_count` KV blocks of `block_size` tokens. Not thread-safe: one thread owns it.

    Raises `DeviceError` if there is no such device, and `RuntimeError` if OpenVINO cannot compile the model.
    """

    def __init__(self, graph: PagedGraph, context_length: int, options: ModelOptions | None = None) -> None:
        options = options or ModelOptions()
        self.vocabulary_size = graph.vocabulary_size
        self._embed = graph.embed
        self._memory = graph.memory
        core, device = ov.Core(), find_device(options.device)
        self._compiled = core.compile_model(add_sampling_head(graph), device, _properties(options, device))
        self.context_length = context_length
        self._port = {port.get_any_name(): index for index, port in enumerate(self._compiled.inputs)}
        self._cache = KvCache(core, self._compiled, device)
        self.block_size, self.block_bytes = self._cache.block_size, self._cache.block_bytes
        wanted = options.contexts * -(-context_length // self.block_size)
        self.block_count = max(2, min(wanted, options.kv_cache_bytes // self.block_bytes))
        # A sequence for each idle token: a longer one would take the faster attention from a batch of decodes.
        self._idle = Run(0, [0], [self.block_count])
        self._request: Any = None
        self._begin()

    def run(self, runs: Rows[Run], rows: Rows[int], temperatures: Rows[float]) -> Logits:
        """One forward pass. `rows` are positions in the concatenation of all new tokens whose logits are wanted, each
        with the temperature to divide by for `Logits.log_sum`. Idle tokens and rows after the last fill the pass up."""
        count, wanted = sum(len(run.tokens) for run in runs), len(rows)
        idle = width(wanted) - wanted
        rows, temperatures = [*rows, *[0] * idle], [*temperatures, *[1.0] * idle]
        runs = [*runs, *[self._idle] * (width(count) - count)]
        new = np.array([len(run.tokens) for run in runs], np.int32)
        past = np.array([run.past for run in runs], np.int32)
        total = past + new
        used = -(-total // self.block_size)
        begins = np.zeros(len(runs) + 1, np.int32)
        np.cumsum(new, out=begins[1:])
        block_begins = np.zeros(len(runs) + 1, np.int32)
        np.cumsum(used, out=block_begins[1:])
        blocks: list[int] = []
        tokens: list[int] = []
        for run, held in zip(runs, used.tolist(), strict=True):
            blocks += run.blocks[:held]
            tokens += run.tokens
        ids = np.array(tokens, np.int64)
        if self._embed is None:
            self._feed("input_ids", ids)
        else:
            self._feed("embeddings", self._embed(ids))
        self._feed("position_ids", np.repeat(past - begins[:-1], new) + np.arange(len(tokens), dtype=np.int64))
        self._feed("past_lens", past)
        self._feed("subsequence_begins", begins)
        self._feed("block_indices", np.array(blocks, np.int32))
        self._feed("block_indices_begins", block_begins)
        self._feed("max_context_len", np.array(total.max(), np.int32))
        self._feed("rows", np.array(rows, np.int32))
        self._feed("temperatures", np.array(temperatures, np.float32)[:, None])
        self._request.infer()
        full, top, top_tokens, log_sum = (self._request.get_output_tensor(i).data for i in range(4))
        return Logits(top[:wanted], top_tokens[:wanted], log_sum[:wanted, 0], full[:wanted])

    def copy_block(self, source: int, target: int) -> None:
        """Copy the keys and values of one block to another, in every layer."""
        self._cache.copy_block(source, target)

    def _feed(self, name: str, array: npt.NDArray[np.generic]) -> None:
        self._request.set_input_tensor(self._port[name], ov.Tensor(array))

    def restart(self) -> None:
        """After a failure: a new request to OpenVINO, with an empty KV cache. Raises `RuntimeError`."""
        # The old ones go first, or both would be in memory.
        self._request = None
        self._cache.free()
        self._begin()

    def _begin(self) -> None:
        """A request, with a KV cache of a block more than is given out, which idle tokens are written to."""
        self._request = self._compiled.create_infer_request()
        self._cache.allocate(self._request, self.block_count + 1)


def _properties(options: ModelOptions, device: str) -> dict[str, str | int]:
    properties: dict[str, str | int] = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": options.inference_precision,
        "KV_CACHE_PRECISION": options.kv_precision,
    }
    if not options.quantize_activations:
        properties["DYNAMIC_QUANTIZATION_GROUP_SIZE"] = 0
    if options.threads and not is_gpu(device):
        properties["INFERENCE_NUM_THREADS"] = options.threads
    return properties
