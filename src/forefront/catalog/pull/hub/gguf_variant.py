"""The GGUF files of a repository, by variant: one model in one quantisation, in one file or in several parts."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from forefront.catalog.pull.hub.repository import RepositoryFile

_PART: Final = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf")
# A quantisation at the end of a name, such as `-Q4_K_M`, `.q8_0` or `-UD-Q4_K_XL`.
_QUANTIZATION: Final = re.compile(
    r"(?:^|[-._/])((?:UD-)?(?:I?Q[1-8]_(?:K_)?(?:XXS|XS|XXL|XL|S|M|L|NL|K|0|1)|Q[2-8]|TQ[12]_0|MXFP4|NVFP4|BF16|FP?16|FP?32))"
    r"(?:[-_](?:MOE|CLEAN))?$",
    re.IGNORECASE,
)
_NOT_MODELS: Final = ("mmproj", "imatrix")
# Formats of projectors, best first.
_PROJECTOR_FORMATS: Final = ("F16", "BF16", "Q8_0", "F32", "")


@dataclass(frozen=True, slots=True)
class GgufVariant:
    """`quantization` is in capitals, "" if the name has none; `parts` is the announced number of `files`."""

    quantization: str
    files: tuple[RepositoryFile, ...]
    parts: int

    @property
    def size(self) -> int:
        """Bytes of all parts."""
        return sum(file.size for file in self.files)

    @property
    def missing_parts(self) -> int:
        """How many parts the repository lacks."""
        return self.parts - len(self.files)


def gguf_variants(files: Iterable[RepositoryFile]) -> list[GgufVariant]:
    """The models among the files; projectors and other helpers are none."""
    groups: dict[tuple[str, int], list[RepositoryFile]] = {}
    for file in files:
        if file.path.lower().endswith(".gguf") and not _is_helper(file):
            match = _PART.fullmatch(file.path)
            key = (file.path[: -len(".gguf")], 1) if match is None else (match["stem"], int(match["count"]))
            groups.setdefault(key, []).append(file)
    return [
        GgufVariant(_quantization(stem), tuple(sorted(parts, key=lambda file: file.path)), max(count, len(parts)))
        for (stem, count), parts in groups.items()
    ]


def find_projector(files: Iterable[RepositoryFile]) -> RepositoryFile | None:
    """The projector of a vision model, in the best format."""
    found = [file for file in files if file.name.lower().endswith(".gguf") and "mmproj" in file.name.lower()]
    return min(found, key=_projector_rank, default=None)


def _projector_rank(file: RepositoryFile) -> tuple[int, str]:
    quantization = _quantization(file.path[: -len(".gguf")])
    if not quantization and (match := re.search(r"(?i)(?:^|[-._])(bf16|f16|f32)(?:[-._]|$)", file.name)):
        quantization = match[1].upper()
    known = quantization in _PROJECTOR_FORMATS
    return (_PROJECTOR_FORMATS.index(quantization) if known else len(_PROJECTOR_FORMATS), file.path)


def _is_helper(file: RepositoryFile) -> bool:
    return any(word in file.name.lower() for word in _NOT_MODELS)


def _quantization(stem: str) -> str:
    match = _QUANTIZATION.search(stem)
    return "" if match is None else match[1].upper().replace("FP16", "F16").replace("FP32", "F32")
