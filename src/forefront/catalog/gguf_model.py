"""A GGUF file as a model: its graph, its tokenizer and what its metadata says."""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from forefront.catalog.source import ModelSource, SourceError
from forefront.catalog.store import Store
from forefront.chat.child import child_environment
from forefront.chat.loading import ModelFacts, ModelParts
from forefront.chat.tokenizer import Tokenizer, TokenizerError
from forefront.graph.build import PACKING, BuiltGraph, build_graph
from forefront.graph.errors import ModelFileError
from forefront.graph.gguf_file import GgufFile
from forefront.graph.weight_file import is_complete

# Raised whenever the same file would be given another tokenizer than before.
_TOKENIZER = 4
_GRAPHS = ("openvino_tokenizer.xml", "openvino_detokenizer.xml")


class GgufModel:
    """The file behind `source`. Raises `SourceError`, whose text names the file."""

    def __init__(self, source: ModelSource, store: Store, *, exact: bool) -> None:
        self._source, self._store, self._exact = source, store, exact
        try:
            self._file = GgufFile(source.path)
            self.digest = store.digest(self._file.paths)
        except ModelFileError as error:
            raise SourceError(f"{source.path}: {error}") from None
        except OSError as error:
            raise SourceError(f"{source.path}: it cannot be read: {error.strerror}") from error
        self._folder = f"{self.digest[:32]}-{PACKING}{'-exact' if exact else ''}"

    @property
    def is_prepared(self) -> bool:
        """Whether its matrices have been packed before, for a model served in the same way."""
        return is_complete(self._store.models / self._folder)

    def load(self) -> tuple[ModelParts, BuiltGraph]:
        """Pack its matrices if need be, and build the graph. Raises `SourceError`."""
        try:
            with self._store.folder(self._folder, is_complete) as folder:
                built = build_graph(self._file, folder, exact=self._exact)
            facts = read_facts(self._file.metadata)
            return ModelParts(built.graph, self._tokenizer(), facts), built
        except (ModelFileError, TokenizerError) as error:
            raise SourceError(f"{self._source.path}: {error}") from None
        except OSError as error:
            reason = f"{self._store.models}: {error.strerror}"
            raise SourceError(f"{self._source.path}: its weights cannot be kept in {reason}") from error

    def _tokenizer(self) -> Tokenizer:
        name = f"{self.digest[:32]}-tokenizer-{version('openvino-genai')}-{_TOKENIZER}"
        with self._store.folder(name, _has_graphs) as folder:
            if not _has_graphs(folder):
                _convert_tokenizer(self._source, folder)
            return Tokenizer(folder)


def read_facts(metadata: dict[str, Any]) -> ModelFacts:
    """The context, and the tokens that end an answer. Raises `ModelFileError`."""
    architecture = metadata.get("general.architecture")
    context = metadata.get(f"{architecture}.context_length")
    if not isinstance(context, int) or context < 1:
        raise ModelFileError("its metadata does not say how long its context is")
    ends = [metadata.get(f"tokenizer.ggml.{kind}_token_id") for kind in ("eos", "eot", "eom")]
    return ModelFacts(context, frozenset(token for token in ends if isinstance(token, int)))


def _has_graphs(folder: Path) -> bool:
    return all((folder / name).is_file() for name in _GRAPHS)


def _convert_tokenizer(source: ModelSource, folder: Path) -> None:
    # The converter is this package's own module, and its arguments are paths, not shell text. It reads a stranger's
    # file, so it does not get what opens the server or its store.
    command = [sys.executable, "-m", "forefront.catalog.tokenizer_conversion", str(source.path), str(folder)]
    result = subprocess.run(  # noqa: S603
        command,
        env=child_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if result.returncode == 0 and _has_graphs(folder):
        return
    lines = result.stderr.strip().splitlines()
    if result.returncode < 0:
        reason = f"the converter died of signal {-result.returncode}"
    else:
        reason = lines[-1] if lines else "the converter wrote nothing"
    raise TokenizerError(f"its tokenizer cannot be converted; the file may be damaged or of an unknown kind ({reason})")
