"""The compiled graph with its KV cache: one forward pass at a time."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from forefront.engine.model.attention_runs import split_short_runs
from forefront.engine.model.compilation import compile_graph
from forefront.engine.model.constants import released_constants
from forefront.engine.model.device import DeviceError, find_device, is_gpu
from forefront.engine.model.kv_cache import KvCache
from forefront.engine.model.logits import Logits
from forefront.engine.model.openvino_import import ov
from forefront.engine.model.paged_graph import Embed, PagedGraph
from forefront.engine.model.sampling_head import add_sampling_head
from forefront.engine.model.step_inputs import SequenceInput, StepInputs


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """Options of a model's compilation and of its engine.

    `threads`: CPU threads, 0 for all cores; `pinned` binds each to a core. `kv_cache_bytes`: the most memory for the KV
    cache, which never has more room than for `contexts` whole contexts. `inference_precision`: `f32`, or `bf16`, which
    is less exact and makes prefill faster on CPUs that have it. `quantize_activations` rounds the inputs of quantised
    matrices to 8 bits, as llama.cpp does; without it batches run 2 to 5 times slower. `quantize_weights`: "int8" or
    "int4" for matrices that the files hold unquantised, or "". `kv_precision`: `f16`, or `u8`, which halves the memory
    and makes a result depend on the chunks of its prefill. `device`: see `find_device`. `inter_token_latency`: seconds
    that 95 % of the steps with decodes shall not exceed, unless a prompt has waited for `first_token_latency` seconds.
    `speculation`: "ngram" for drafts that repeat earlier text, or "off". `draft`: the source of a smaller model that
    drafts too, or "".
    """

    threads: int = 0
    pinned: bool = True
    kv_cache_bytes: int = 2 * 2**30
    contexts: int = 64
    kv_precision: str = "f16"
    inference_precision: str = "f32"
    quantize_activations: bool = True
    quantize_weights: str = ""
    device: str = "CPU"
    inter_token_latency: float = 0.1
    first_token_latency: float = 1.0
    speculation: str = "ngram"
    draft: str = ""


class PagedModel:
    """A model on a device with `block_count` KV blocks of `block_size` tokens. Not thread-safe: one thread owns it.

    Raises `DeviceError` if there is no such device, and `RuntimeError` if OpenVINO cannot compile the model.
    """

    def __init__(self, graph: PagedGraph, context_length: int, options: ModelOptions | None = None) -> None:
        options = options or ModelOptions()
        self.vocabulary_size = graph.vocabulary_size
        self._embed: Embed | None = graph.embed
        self._constants = graph.constants
        core, device = ov.Core(), find_device(options.device)
        if graph.reads_cache and is_gpu(device):
            raise DeviceError(f"its attention has a soft cap, which {device} does not support; use the CPU")
        options = effective_options(graph, options)
        self._compiled: Any = compile_graph(core, add_sampling_head(graph), device, compile_properties(options, device))
        # Keys in u8 are rounded for several tokens of a block together, and a graph that reads the cache copies the
        # context for each sequence.
        self._splits_runs = not is_gpu(device) and options.kv_precision != "u8" and not graph.reads_cache
        self.context_length = context_length
        self._ports = {port.get_any_name(): index for index, port in enumerate(self._compiled.inputs)}
        self._cache = KvCache(core, self._compiled, device)
        self.block_size, self.block_bytes = self._cache.block_size, self._cache.block_bytes
        wanted = options.contexts * -(-context_length // self.block_size)
        self.block_count = max(2, min(wanted, options.kv_cache_bytes // self.block_bytes))
        self._request: Any = None
        self._create_request()
        with released_constants(graph.constants):
            self.run([SequenceInput(0, [0], [0])], [0], [1.0])  # copies the weights into the layouts of the kernels

    def run(self, sequences: Sequence[SequenceInput], rows: Sequence[int], temperatures: Sequence[float]) -> Logits:
        """One forward pass over the new tokens of `sequences`. `rows` are positions in the concatenation of all new
        tokens whose logits are computed, each with the temperature to divide by for `Logits.log_sum`. The pass is
        padded with idle tokens and rows: see `padding.py`."""
        self._inputs.fill_sequences(split_short_runs(sequences) if self._splits_runs else sequences, self._embed)
        self._inputs.fill_rows(rows, temperatures)
        self._request.infer()
        full, top, top_tokens, log_sum = (self._request.get_output_tensor(i).data for i in range(4))
        count = len(rows)
        return Logits(top[:count], top_tokens[:count], log_sum[:count, 0], full[:count])

    def copy_block(self, source: int, target: int) -> None:
        """Copy the keys and values of one block to another, in every layer."""
        self._cache.copy_block(source, target)

    def restart(self) -> None:
        """After a failure: a new request to OpenVINO, with an empty KV cache. Raises `RuntimeError`."""
        # The old request and cache are freed first, so that memory never holds both.
        self._request = None
        del self._inputs
        self._cache.free()
        self._create_request()

    def close(self) -> None:
        """Free the memory. Nothing can be called afterwards."""
        self._request = self._compiled = self._embed = self._constants = None
        del self._inputs
        self._cache.free()

    def _create_request(self) -> None:
        self._request = self._compiled.create_infer_request()
        # One block beyond those that sequences get, for idle tokens.
        self._cache.allocate(self._request, self.block_count + 1)
        self._inputs = StepInputs(self._request, self._ports, self.block_size, self.block_count)


def effective_options(graph: PagedGraph, options: ModelOptions) -> ModelOptions:
    """The options in effect for this graph: a graph that reads the KV cache itself excludes u8."""
    plain = graph.reads_cache and options.kv_precision == "u8"
    return replace(options, kv_precision="f16") if plain else options


def compile_properties(options: ModelOptions, device: str) -> dict[str, str | int]:
    """OpenVINO's properties for compiling a model."""
    properties: dict[str, str | int] = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": options.inference_precision,
        "KV_CACHE_PRECISION": options.kv_precision,
    }
    if not options.quantize_activations:
        properties["DYNAMIC_QUANTIZATION_GROUP_SIZE"] = 0
    if options.threads and not is_gpu(device):
        properties["INFERENCE_NUM_THREADS"] = options.threads
    if not options.pinned and not is_gpu(device):
        properties["ENABLE_CPU_PINNING"] = False
    return properties
