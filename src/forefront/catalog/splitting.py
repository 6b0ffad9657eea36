"""How a text is cut before it is encoded: put right in a converted tokenizer.

Byte-pair merges never reach over these cuts, so other cuts mean other tokens than the model was trained on. A GGUF file
names its rule (`tokenizer.ggml.pre`), but OpenVINO GenAI knows few of them and cuts everything else by the rule of
files that name none. The rules are those of llama.cpp (`src/llama-vocab.cpp`).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from forefront.engine.runtime import ops, ov

# isort: split
import openvino_tokenizers  # noqa: F401 - importing it registers the tokenizer operations with OpenVINO

_GPT2: Final = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)"
_LLAMA3: Final = (
    r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_QWEN2: Final = _LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
# Each name's patterns are applied one after the other, to the pieces that the one before has left.
_PATTERNS: Final[dict[str, tuple[str, ...]]] = (
    dict.fromkeys(("llama3", "llama-v3", "llama-bpe"), (_LLAMA3,))
    | dict.fromkeys(("qwen2", "deepseek-r1-qwen"), (_QWEN2,))
    | dict.fromkeys(("gpt-2", "phi-2", "olmo"), (_GPT2,))
    | dict.fromkeys(("smollm", "starcoder"), (r"\p{N}", _GPT2))
)


class SplittingError(ValueError):
    """The converted tokenizer does not cut texts in a way that can be corrected."""


def restore_splitting(xml: Path, metadata: Mapping[str, Any]) -> None:
    """Let the tokenizer `xml` cut texts as the file says, where its rule is known here."""
    patterns = _PATTERNS.get(str(metadata.get("tokenizer.ggml.pre")))
    if patterns is None:
        return
    model = ov.Core().read_model(xml)
    splits = [node for node in model.get_ordered_ops() if node.get_type_name() == "RegexSplit"]
    if len(splits) < len(patterns):
        raise SplittingError("the converter's tokenizer has no place for the file's rule of cutting texts")
    for node, pattern in zip(splits, patterns, strict=False):
        text = np.frombuffer(pattern.encode(), np.uint8)
        node.input(node.get_input_size() - 1).replace_source_output(ops.constant(text).output(0))
    for node in splits[len(patterns) :]:
        _bypass(node)
    _save(model, xml)


def _bypass(node: ov.Node) -> None:
    """Hand what comes into a node on to whoever reads what comes out: both are pieces of the same text."""
    for index in range(node.get_output_size()):
        for target in node.output(index).get_target_inputs():
            target.replace_source_output(node.input_value(index))


def _save(model: ov.Model, xml: Path) -> None:
    """Write a graph, changed since it was read from `xml` (and its `.bin`), in their place."""
    # The model still reads its constants from the old file while it is written.
    new = xml.with_name("restored.xml")
    ov.save_model(model, new, compress_to_fp16=False)
    new.with_suffix(".bin").replace(xml.with_suffix(".bin"))
    new.replace(xml)
