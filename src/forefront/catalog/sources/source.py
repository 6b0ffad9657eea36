"""The argument of `forefront serve`: `[NAME=]SOURCE`, where a source is a path, a known name or a reference."""

import difflib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from forefront.catalog.sources.known_models import KNOWN_MODELS, HubModel, PackageModel
from forefront.catalog.sources.reference import Reference, parse_reference

BUILT_IN_NAME = "forefront-mini"
BUILT_IN_PATH = Path(__file__).parents[1] / "builtin" / "forefront-mini.gguf"

_IR = "openvino_model.xml"
_LATER_PART = re.compile(r"-(?!00001)\d{5}-of-\d{5}\.gguf$")
_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*(?<!\.gguf)", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}")


class SourceError(Exception):
    """A model on the command line cannot be served; the message names it and the reason."""


# What `catalog/pull/` can bring.
Pullable = Reference | PackageModel


@dataclass(frozen=True, slots=True)
class ModelSource:
    """A model's files and the name that requests use for it. `path` is a GGUF file, or a directory with OpenVINO IR or
    with `config.json` and `*.safetensors`.

    `remote` is the origin of files that are pulled: `path` does not exist before. `projector` is the GGUF file that a
    vision model reads images with.
    """

    name: str
    path: Path
    remote: Pullable | None = None
    projector: Path | None = None

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
    """Read `[NAME=]SOURCE`. Without NAME, the name is that of the file, directory or repository. Raises `SourceError`
    for a path that does not exist or has another kind, a malformed reference, and an unusable name.
    """
    # A path or a URL may contain "=": an argument that exists in full is a path.
    if "=" in text and not _is_reference(text) and not Path(text).expanduser().exists():
        name, _, path = text.partition("=")
        if not name or not path:
            raise SourceError(f"{text}: expected a path, a known name or a reference, or NAME= before one")
        return find_source(path, name)
    return find_source(text)


def find_source(text: str, name: str = "") -> ModelSource:
    """The model of a path, a known name or a reference. Raises `SourceError` like `parse_source`."""
    source = _find(name, text)
    if not is_model_name(source.name):
        raise SourceError(f"{text}: {source.name!r} cannot be a model's name; give it one with NAME={text}")
    return source


def reference_text(remote: Pullable) -> str:
    """The text that identifies a model in records and messages."""
    return remote.name if isinstance(remote, PackageModel) else str(remote)


def find_known(remote: Pullable) -> PackageModel | HubModel | None:
    """The known model that has these files."""
    known = KNOWN_MODELS.values()
    return next((model for model in known if remote in (model, getattr(model, "reference", None))), None)


def find_pullable(text: str) -> Pullable | None:
    """The model of a known name or a reference; None for any other text. Raises `SourceError`."""
    if (known := KNOWN_MODELS.get(text)) is not None:
        return known.reference if isinstance(known, HubModel) else known
    try:
        return parse_reference(text)
    except ValueError as error:
        raise SourceError(f"{text}: {error}") from None


def _find(name: str, text: str) -> ModelSource:
    path = Path(text).expanduser()
    if not path.exists():
        if text == BUILT_IN_NAME:
            return ModelSource(name or BUILT_IN_NAME, BUILT_IN_PATH)
        if (remote := find_pullable(text)) is not None:
            return ModelSource(name or _default_name(text, remote), Path(text), remote)
        raise SourceError(f"{path}: there is no such file or directory{_other_kinds(text)}")
    # Symbolic links are kept: the parts of a model in the hub's cache are links side by side.
    path = Path(os.path.abspath(path))
    path = _only_gguf(path) or path
    if path.is_file():
        if _magic(path) != b"GGUF":
            raise SourceError(f"{path}: this is not a GGUF file")
    elif not (path / _IR).is_file():
        _check_safetensors(path)
    return ModelSource(name or path.name.removesuffix(".gguf"), path)


def _only_gguf(path: Path) -> Path | None:
    """The GGUF model in a directory with nothing else to serve. Raises `SourceError` if there are several."""
    if not path.is_dir() or (path / _IR).is_file() or any(path.glob("*.safetensors")):
        return None
    # Of a model in parts the first stands for all, and a projector belongs to a model.
    found = [file for file in sorted(path.glob("*.gguf")) if "mmproj" not in file.name.lower()]
    models = [file for file in found if not _LATER_PART.search(file.name)] or found
    if len(models) > 1:
        raise SourceError(f"{path}: it has several models; name one of {', '.join(file.name for file in models[:8])}")
    return models[0] if models else None


def _is_reference(text: str) -> bool:
    return text.startswith(("hf:", "https://", "http://"))


def _default_name(text: str, remote: Pullable) -> str:
    return text if text in KNOWN_MODELS or isinstance(remote, PackageModel) else remote.model_name


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
        f"{path}: a directory must hold config.json and *.safetensors (Hugging Face), a GGUF file, or {_IR} (OpenVINO "
        "IR)"
    )


def pullable_hint(text: str) -> str:
    """The end of a message about a text that is not a reference: the known model or the repository that was probably
    meant."""
    if _REPOSITORY.fullmatch(text):
        return f"; hf:{text} would be the model of that name on the Hugging Face hub"
    near = difflib.get_close_matches(text, KNOWN_MODELS, 1)
    return f"; did you mean {near[0]}?" if near else ""


def _other_kinds(text: str) -> str:
    """The end of a message about a text that was probably meant as a known model or a repository of the hub."""
    if _REPOSITORY.fullmatch(text):
        return pullable_hint(text)
    if "/" in text or "." in text:
        return ""
    known = [BUILT_IN_NAME, *KNOWN_MODELS]
    near = difflib.get_close_matches(text, known, 1)
    hint = f"did you mean {near[0]}? There" if near else "there"
    return f", nor a known model of that name; {hint} are {', '.join(known)}"


def _magic(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(4)
