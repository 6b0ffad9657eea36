"""From a GGUF file to a backend whose tokens llama.cpp generates."""

import json
import logging
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from forefront.chat.local.loading import LoadError, create_preparer
from forefront.graph.errors import ModelFileError
from forefront.graph.settings import Settings
from forefront.managed_engines.engine_backend import EngineBackend, base_url
from forefront.managed_engines.engine_process import Endpoint, EngineProcess, Launch, ProcessLimits
from forefront.managed_engines.errors import EngineSettingsError, EngineStartError
from forefront.managed_engines.llama_cpp.backend import LlamaCppBackend
from forefront.managed_engines.llama_cpp.engine import LlamaCppEngine, LlamaCppLimits
from forefront.managed_engines.llama_cpp.hidden_tokens import PieceIndex
from forefront.managed_engines.llama_cpp.installation import check_installed
from forefront.managed_engines.llama_cpp.settings import LlamaCppSettings, with_arguments
from forefront.managed_engines.model_header import ModelHeader
from forefront.tokenizer.errors import TokenizerError
from forefront.tokenizer.files.gguf import check_kind, gguf_tokenizer
from forefront.upstream.spec import Capability, UpstreamSpec

log = logging.getLogger(__name__)

_CHILD: Final = "forefront.managed_engines.llama_cpp.server_process"
# Of the process without weights and KV cache: Python, the library, buffers. Measured with models of 1 to 100 MB.
_FIXED_BYTES: Final = 64 * 2**20
# Capabilities of upstreams by the names of llama.cpp's modalities.
_MODALITIES: Final[tuple[tuple[Capability, str], ...]] = (("images", "vision"), ("audio", "audio"))
# llama.cpp rounds contexts up to multiples of it.
_CONTEXT_STEP: Final = 256
_CACHE_BYTES: Final = 2  # of a number in the KV cache's default format


@dataclass(frozen=True, slots=True)
class LlamaCppOptions:
    """`threads`: 0 for all cores. `kv_cache_bytes`: the most memory for the KV cache. `context_length`: a smaller
    context than the model's. `arguments`: names and values of llama-server's options, which override the others."""

    threads: int = 0
    kv_cache_bytes: int = 2 * 2**30
    context_length: int | None = None
    arguments: Sequence[str] = ()


def estimate(header: ModelHeader, options: LlamaCppOptions) -> tuple[int, int]:
    """The memory that the model will take, in bytes, and its context in tokens. Raises `EngineSettingsError` and
    `ModelFileError`."""
    settings, context = _settings(header, options)
    cache = settings.context * _bytes_per_token(Settings(header.metadata))
    return sum(path.stat().st_size for path in header.paths) + cache + _FIXED_BYTES, context


def load_llama_cpp(
    name: str,
    header: ModelHeader,
    options: LlamaCppOptions,
    chat_template: str | None = None,
    limits: ProcessLimits | None = None,
) -> LlamaCppBackend | EngineBackend:
    """Start llama.cpp with the model and wait until it is ready.

    Its tokens are read here, except for a model with a projector or with a tokenizer that is not known here: llama.cpp
    renders and parses the conversations of such a model itself. Raises `EngineStartError`.
    """
    check_installed()
    try:
        settings, context = _settings(header, options)
        reason = "of its projector" if settings.projector else _unknown_tokenizer(header)
        if reason is not None:
            log.info("%s: llama.cpp renders and parses its conversations itself, because %s", name, reason)
            settings = replace(settings, chat_template=chat_template or "", reuse_prompts=False)
            return _load_whole(name, settings, context, limits)
        tokenizer = gguf_tokenizer(dict(header.metadata))
    except (ModelFileError, TokenizerError) as error:
        raise EngineStartError(str(error)) from None
    process = EngineProcess(name, Launch(_CHILD, settings.as_message()), limits)
    rows = _vocabulary_size(header, len(tokenizer.pieces))
    sizes = LlamaCppLimits(context, settings.slots, settings.context, rows)
    engine = LlamaCppEngine(process, sizes, PieceIndex(tokenizer.pieces))
    try:
        preparer = create_preparer(engine, tokenizer, chat_template)
    except LoadError as error:
        raise EngineStartError(str(error)) from None
    try:
        _start(process)
    except BaseException:
        preparer.close()
        raise
    return LlamaCppBackend(engine, preparer)


def _load_whole(name: str, settings: LlamaCppSettings, context: int, limits: ProcessLimits | None) -> EngineBackend:
    """A model that is reached over llama.cpp's OpenAI API."""
    process = EngineProcess(name, Launch(_CHILD, settings.as_message()), limits)
    endpoint = _start(process)
    capabilities: set[Capability] = {kind for kind, key in _MODALITIES if _modalities(endpoint).get(key)}
    spec = UpstreamSpec(
        name,
        (base_url(endpoint),),
        name,
        key=endpoint.key,
        dialect="llama.cpp",
        context_length=context,
        capabilities=frozenset(capabilities),
    )
    return EngineBackend(spec, process)


def _start(process: EngineProcess) -> Endpoint:
    try:
        return process.start()
    except BaseException:
        process.stop()
        raise


def _modalities(endpoint: Endpoint) -> Mapping[str, bool]:
    """The input kinds of the model beside text, as the server reports them."""
    request = urllib.request.Request(f"{endpoint.url}/props", headers={"authorization": f"Bearer {endpoint.key}"})  # noqa: S310
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=30) as response:
        found: Mapping[str, bool] = json.load(response).get("modalities", {})
    return found


def _unknown_tokenizer(header: ModelHeader) -> str | None:
    try:
        check_kind(header.metadata)
    except TokenizerError as error:
        return str(error)
    return None


def _settings(header: ModelHeader, options: LlamaCppOptions) -> tuple[LlamaCppSettings, int]:
    """The server's settings, and the context of one request in tokens."""
    model = Settings(header.metadata)
    longest = model.context_length
    if options.context_length is not None and options.context_length > longest:
        raise EngineSettingsError(f"its context has {longest} tokens, fewer than {options.context_length}")
    settings = LlamaCppSettings(str(header.paths[0]), threads=options.threads)
    settings = with_arguments(settings, options.arguments)
    if not settings.context:
        size = _bytes_per_token(model)
        room = options.kv_cache_bytes // size if size else longest * settings.slots
        room = min(max(room, _CONTEXT_STEP), longest * settings.slots)
        settings = replace(settings, context=-(-room // _CONTEXT_STEP) * _CONTEXT_STEP)
    return settings, min(options.context_length or longest, longest, settings.context)


def _bytes_per_token(model: Settings) -> int:
    """Memory of a token in the KV cache. Layers that keep a state instead have no key heads."""
    layers = model.integer("block_count", at_least=1)
    heads = max(model.per_layer("attention.head_count", layers, 0))
    head_width = model.integer("embedding_length", at_least=1) // max(heads, 1)
    keys, values = (model.integer(f"attention.{part}_length", head_width) for part in ("key", "value"))
    key_heads = sum(model.per_layer("attention.head_count_kv", layers, heads))
    return key_heads * (keys + values) * _CACHE_BYTES


def _vocabulary_size(header: ModelHeader, tokens: int) -> int:
    """Rows of the output projection."""
    embeddings = header.tensors.get("output.weight") or header.tensors.get("token_embd.weight")
    return tokens if embeddings is None else embeddings.shape[0]
