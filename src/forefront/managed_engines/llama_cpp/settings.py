"""The settings of llama.cpp's server: from `engine_args` to the parameters of the library."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from forefront.managed_engines.errors import EngineSettingsError

_CACHE_TYPES: Final = ("f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl")
_FLASH: Final = ("auto", "on", "off")


@dataclass(frozen=True, slots=True)
class LlamaCppSettings:
    """Settings of one model. Zeros are llama.cpp's defaults.

    `context`: tokens of the KV cache, which all requests share. `slots`: requests that run at once. `threads`,
    `batch_threads`: CPU threads of decodes and of prefills. `batch`, `micro_batch`: tokens of one step. `gpu_layers`:
    -1 for as many as fit. `cache_type_k`, `cache_type_v`: the KV cache's formats. `projector`: the file that turns
    images into embeddings. `chat_template`: in place of the file's own, where llama.cpp renders conversations itself.
    `reuse_prompts`: requests may reuse the prefix in a slot's cache, regardless of tenants, which llama.cpp does not
    know.
    """

    path: str
    context: int = 0
    slots: int = 4
    threads: int = 0
    batch_threads: int = 0
    batch: int = 0
    micro_batch: int = 0
    gpu_layers: int = -1
    main_gpu: int = 0
    cache_type_k: str = "f16"
    cache_type_v: str = "f16"
    flash_attention: str = "auto"
    rope_frequency_base: float = 0.0
    rope_frequency_scale: float = 0.0
    full_sliding_window: bool = False
    projector: str = ""
    chat_template: str = ""
    reuse_prompts: bool = True

    def as_message(self) -> dict[str, Any]:
        """The settings as the child reads them."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _Option:
    """An argument with a value, or a flag without one (`read` is None)."""

    field: str
    read: Callable[[str], Any] | None


def _number(minimum: int, maximum: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        number = int(text)
        if not minimum <= number <= maximum:
            raise ValueError(f"a number from {minimum} to {maximum}")
        return number

    return read


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise ValueError("a positive number")
    return number


def _one_of(values: Sequence[str]) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in values:
            raise ValueError(f"one of {', '.join(values)}")
        return text

    return read


def _file(text: str) -> str:
    path = Path(text).expanduser()
    if not path.is_file():
        raise ValueError("an existing file")
    return str(path.resolve())


_TOKENS: Final = _number(1, 2**31 - 1)
_THREADS: Final = _number(1, 512)
# The names of llama-server's options.
_OPTIONS: Final[Mapping[str, _Option]] = {
    "--ctx-size": _Option("context", _TOKENS),
    "--parallel": _Option("slots", _number(1, 256)),
    "--threads": _Option("threads", _THREADS),
    "--threads-batch": _Option("batch_threads", _THREADS),
    "--batch-size": _Option("batch", _TOKENS),
    "--ubatch-size": _Option("micro_batch", _TOKENS),
    "--n-gpu-layers": _Option("gpu_layers", _number(-1, 10_000)),
    "--main-gpu": _Option("main_gpu", _number(0, 127)),
    "--cache-type-k": _Option("cache_type_k", _one_of(_CACHE_TYPES)),
    "--cache-type-v": _Option("cache_type_v", _one_of(_CACHE_TYPES)),
    "--flash-attn": _Option("flash_attention", _one_of(_FLASH)),
    "--rope-freq-base": _Option("rope_frequency_base", _positive),
    "--rope-freq-scale": _Option("rope_frequency_scale", _positive),
    "--swa-full": _Option("full_sliding_window", None),
    "--mmproj": _Option("projector", _file),
}
_SHORT: Final = {
    "-c": "--ctx-size",
    "-np": "--parallel",
    "-t": "--threads",
    "-tb": "--threads-batch",
    "-b": "--batch-size",
    "-ub": "--ubatch-size",
    "-ngl": "--n-gpu-layers",
    "-mg": "--main-gpu",
    "-ctk": "--cache-type-k",
    "-ctv": "--cache-type-v",
    "-fa": "--flash-attn",
    "-mm": "--mmproj",
}


def with_arguments(settings: LlamaCppSettings, arguments: Sequence[str]) -> LlamaCppSettings:
    """The settings changed by `engine_args`, which have the names of llama-server's options. Raises
    `EngineSettingsError`."""
    given = iter(arguments)
    values: dict[str, Any] = {}
    for argument in given:
        name, equals, value = argument.partition("=")
        option = _OPTIONS.get(_SHORT.get(name, name))
        if option is None:
            known = ", ".join(_OPTIONS)
            raise EngineSettingsError(f"llama.cpp's argument {name!r} is not supported here; there are {known}")
        if option.read is None:
            if equals:
                raise EngineSettingsError(f"llama.cpp's argument {name} takes no value")
            values[option.field] = True
            continue
        text = value if equals else next(given, None)
        if text is None:
            raise EngineSettingsError(f"llama.cpp's argument {name} needs a value")
        try:
            values[option.field] = option.read(text)
        except ValueError as error:
            wanted = "a number" if "invalid literal" in str(error) or "could not convert" in str(error) else str(error)
            raise EngineSettingsError(f"llama.cpp's argument {name} needs {wanted}, not {text!r}") from None
    return replace(settings, **values)


def server_parameters(message: Mapping[str, Any]) -> Any:
    """`xllamacpp.CommonParams` for the settings of `as_message`, together with `key`."""
    import xllamacpp

    known = LlamaCppSettings.__dataclass_fields__
    settings = LlamaCppSettings(**{name: value for name, value in message.items() if name in known})
    parameters = xllamacpp.CommonParams()
    parameters.model.path = settings.path
    parameters.mmproj.path = settings.projector
    parameters.chat_template = settings.chat_template
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    parameters.api_keys = [message["key"]]
    parameters.n_ctx = settings.context
    parameters.n_parallel = settings.slots
    # One KV cache for all slots; no copies of prompts elsewhere, which would be shared between tenants.
    parameters.kv_unified = True
    parameters.cache_ram_mib = 0
    parameters.cache_idle_slots = False
    parameters.cache_prompt = settings.reuse_prompts
    parameters.slot_prompt_similarity = 0.0
    parameters.n_gpu_layers, parameters.main_gpu = settings.gpu_layers, settings.main_gpu
    parameters.swa_full = settings.full_sliding_window
    parameters.ui = parameters.endpoint_slots = parameters.warmup = False
    _set_kernels(parameters, settings)
    return parameters


def _set_kernels(parameters: Any, settings: LlamaCppSettings) -> None:
    """Threads, batches, formats of the KV cache, positions."""
    import xllamacpp

    types, flash = xllamacpp.ggml_type, xllamacpp.llama_flash_attn_type
    if settings.threads:
        parameters.cpuparams.n_threads = settings.threads
    if batch_threads := settings.batch_threads or settings.threads:
        parameters.cpuparams_batch.n_threads = batch_threads
    if settings.batch:
        parameters.n_batch = settings.batch
    if settings.micro_batch:
        parameters.n_ubatch = settings.micro_batch
    parameters.cache_type_k = getattr(types, f"GGML_TYPE_{settings.cache_type_k.upper()}")
    parameters.cache_type_v = getattr(types, f"GGML_TYPE_{settings.cache_type_v.upper()}")
    modes = {"auto": "AUTO", "on": "ENABLED", "off": "DISABLED"}
    parameters.flash_attn_type = getattr(flash, f"LLAMA_FLASH_ATTN_TYPE_{modes[settings.flash_attention]}")
    parameters.rope_freq_base = settings.rope_frequency_base
    parameters.rope_freq_scale = settings.rope_frequency_scale
