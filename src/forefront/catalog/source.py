"""The argument of `forefront serve`: `PATH` or `NAME=PATH`."""

import re
from dataclasses import dataclass
from pathlib import Path

from forefront.catalog.known_models import KNOWN_MODELS, KnownModel

BUILT_IN_NAME = "forefront-mini"
BUILT_IN_PATH = Path(__file__).parent / "builtin" / "forefront-mini.gguf"

_IR = "openvino_model.xml"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}")


class SourceError(Exception):
    """A model on the command line cannot be served; the message names it and the reason."""


@dataclass(frozen=True, slots=True)
class ModelSource:
    """A model's files and the name that requests use for it. `path` is a GGUF file, or a directory with OpenVINO IR or
    with `config.json` and `*.safetensors`.

    `known` is a model that must be fetched first: until then there is nothing at `path`.
    """

    name: str
    path: Path
    known: KnownModel | None = None

    @property
    def is_gguf(self) -> bool:
        """Whether it is a GGUF file."""
        return self.path.is_file()

    @property
    def is_ir(self) -> bool:
        """Whether it is a directory with OpenVINO IR."""
        return (self.path / _IR).is_file()


def built_in() -> ModelSource:
    """The model that comes with the package."""
    return ModelSource(BUILT_IN_NAME, BUILT_IN_PATH)


def parse_source(text: str) -> ModelSource:
    """Read `PATH` or `NAME=PATH`. Without a name, the file's or directory's own name serves.

    Raises `SourceError` for a path that is not there or is neither kind, and for an unusable name.
    """
    # A path may contain "=": an argument that exists in full is a path.
    if "=" in text and not Path(text).expanduser().exists():
        name, _, text = text.partition("=")
        return find_source(text, name)
    return find_source(text)


def find_source(text: str, name: str = "") -> ModelSource:
    """The model at a path, or the known model of that name. Raises `SourceError` like `parse_source`."""
    path = Path(text).expanduser()
    if str(path) == BUILT_IN_NAME and not path.exists():
        return ModelSource(name or BUILT_IN_NAME, BUILT_IN_PATH)
    if not path.exists() and str(path) in KNOWN_MODELS:
        return ModelSource(name or str(path), path, KNOWN_MODELS[str(path)])
    if not path.exists():
        raise SourceError(f"{path}: there is no such file or directory{_known(str(path))}")
    if path.is_file():
        if _magic(path) != b"GGUF":
            raise SourceError(f"{path}: this is not a GGUF file")
    elif not (path / _IR).is_file():
        _check_safetensors(path)
    name = name or path.resolve().name.removesuffix(".gguf")
    if not is_model_name(name):
        raise SourceError(f"{path}: {name!r} cannot be a model's name; give it one with NAME={path}")
    return ModelSource(name, path.resolve())


def is_model_name(name: str) -> bool:
    """Whether a model can have this name in requests."""
    return _NAME.fullmatch(name) is not None


def _check_safetensors(path: Path) -> None:
    """Raises `SourceError` for a directory that is not one of Hugging Face's."""
    if (path / "adapter_config.json").is_file():
        raise SourceError(f"{path}: it is an adapter of another model (LoRA), which is not supported")
    has_weights = any(path.glob("*.safetensors"))
    if has_weights and (path / "config.json").is_file():
        return
    if any(path.glob("pytorch_model*.bin")) and not has_weights:
        raise SourceError(f"{path}: its weights are pickled (pytorch_model.bin); only safetensors are supported")
    raise SourceError(
        f"{path}: a directory must hold config.json and *.safetensors (Hugging Face), or {_IR} (OpenVINO IR)"
    )


def _known(name: str) -> str:
    """The end of a sentence about a name that may be meant for a known model."""
    if "/" in name or "." in name:
        return ""
    return f", nor a known model of that name; there are {', '.join([BUILT_IN_NAME, *KNOWN_MODELS])}"


def _magic(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(4)
