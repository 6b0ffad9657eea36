"""vLLM and SGLang as child processes: their commands.

Sources: `docs/cli/serve.md` and `docs/configuration/env_vars.md` of vLLM, and
`docs/advanced_features/server_arguments.md` of SGLang.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from forefront.managed_engines.engine_backend import EngineBackend, base_url
from forefront.managed_engines.engine_process import EngineProcess, Launch
from forefront.managed_engines.errors import EngineNotInstalledError, EngineSettingsError
from forefront.managed_engines.guardian import HOST, PORT
from forefront.upstream.spec import UpstreamSpec

_GUARDIAN: Final = "forefront.managed_engines.guardian"
# The device files of NVIDIA's and AMD's drivers.
_GPUS: Final = ("/dev/nvidiactl", "/dev/kfd")


@dataclass(frozen=True, slots=True)
class GpuServer:
    """A program that serves the OpenAI API. `model`, `name`, `context`: its options for the model's source, name and
    context. `key_variable`, `key_file_option`: how it gets its key, which must not be on its command line.
    `reserved`: further options that are set here."""

    title: str
    program: str
    command: tuple[str, ...]
    model: str
    name: str
    context: str
    health: str = "/health"
    key_variable: str = ""
    key_file_option: str = ""
    reserved: tuple[str, ...] = ("--host", "--port", "--api-key")


VLLM: Final = GpuServer(
    "vLLM", "vllm", ("vllm", "serve"), "", "--served-model-name", "--max-model-len", key_variable="VLLM_API_KEY"
)
SGLANG: Final = GpuServer(
    "SGLang",
    "sglang",
    ("sglang", "serve"),
    "--model-path",
    "--served-model-name",
    "--context-length",
    key_file_option="--config",
)


@dataclass(frozen=True, slots=True)
class GpuServerOptions:
    """`source`: a directory or the name of a repository. `name`: the model's name for requests. `arguments`: further
    options of the program."""

    source: str
    name: str
    context_length: int | None = None
    arguments: Sequence[str] = ()


def check_available(server: GpuServer) -> None:
    """Raises `EngineNotInstalledError` where the program or a GPU is missing."""
    if shutil.which(server.program) is None:
        raise EngineNotInstalledError(
            f"{server.title} is not installed: the program `{server.program}` is not on the PATH"
        )
    if not any(Path(device).exists() for device in _GPUS):
        raise EngineNotInstalledError(f"{server.title} needs a GPU, and this machine has none")


def launch(server: GpuServer, options: GpuServerOptions) -> Launch:
    """The start of the program on loopback and a free port, which the guardian chooses. Raises `EngineSettingsError`
    for arguments that are set here."""
    own = {*server.reserved, server.name, server.key_file_option, server.model} - {""}
    for argument in options.arguments:
        if argument.partition("=")[0] in own:
            raise EngineSettingsError(f"{server.title}'s argument {argument.partition('=')[0]} is set by this server")
    command = [*server.command, *([server.model] if server.model else []), options.source]
    command += ["--host", HOST, "--port", PORT, server.name, options.name]
    if options.context_length is not None:
        command += [server.context, str(options.context_length)]
    settings = {
        "command": [*command, *options.arguments],
        "health": server.health,
        "key_variable": server.key_variable,
        "key_file_option": server.key_file_option,
    }
    return Launch(_GUARDIAN, settings)


def load_gpu_server(server: GpuServer, options: GpuServerOptions) -> EngineBackend:
    """Start the program with the model and wait until it is ready. Raises `EngineStartError`."""
    check_available(server)
    process = EngineProcess(options.name, launch(server, options))
    try:
        endpoint = process.start()
    except BaseException:
        process.stop()
        raise
    spec = UpstreamSpec(
        options.name,
        (base_url(endpoint),),
        options.name,
        key=endpoint.key,
        dialect=server.program,
        context_length=options.context_length,
    )
    return EngineBackend(spec, process)
