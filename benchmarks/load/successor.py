"""A random model whose output quotes its prompt, of the same size and speed as another.

Weights are changed so that each token has one successor: the output row of the successor is the embedding of the token,
and the layers, still computed in full, add almost nothing. The successors form one cycle over all tokens of plain
text. A prompt that holds pieces of the cycle is then quoted, and no answer resembles that to another prompt.
"""

import os
import random
import shutil
from pathlib import Path
from typing import Any, Final

import gguf
import numpy as np
import numpy.typing as npt

_SEED: Final = 1
_DAMPING: Final = 0.01
_SCALE_BYTES: Final = 2  # the scale of a block, in Q8_0 and Q4_0
_BLOCK_BYTES: Final = {"Q8_0": 34, "Q4_0": 18}
_PIECE: Final = 24


def write_successor_model(path: Path) -> Path:
    """The changed copy of a random model in Q8_0 or Q4_0, beside it; written on first use."""
    target = path.with_name(f"{path.stem}-successor.gguf")
    if not target.exists():
        part = target.with_suffix(f".{os.getpid()}")
        shutil.copyfile(path, part)
        reader = gguf.GGUFReader(part, "r+")
        tensors = {tensor.name: tensor for tensor in reader.tensors}
        tokens = cycle(reader)
        output, embedding = tensors["output.weight"].data, tensors["token_embd.weight"].data
        output[:] = embedding
        output[np.roll(tokens, -1)] = embedding[tokens]
        for name, tensor in tensors.items():
            if name.endswith(("attn_output.weight", "ffn_down.weight")):
                _scale(tensor)
        output._mmap.flush()
        part.rename(target)
    return target


def cycle(reader: gguf.GGUFReader) -> npt.NDArray[np.int64]:
    """The tokens of printable ASCII in the order in which the changed model writes them."""
    fields = reader.fields
    texts = fields["tokenizer.ggml.tokens"].contents()
    kinds = fields["tokenizer.ggml.token_type"].contents()
    plain = [
        number
        for number, (text, kind) in enumerate(zip(texts, kinds, strict=True))
        if kind == gguf.TokenType.NORMAL and text.replace("Ġ", " ").isascii() and text.isprintable()
    ]
    return np.random.default_rng(_SEED).permutation(np.array(plain, np.int64))


def quoting_prompt(tokens: npt.NDArray[np.int64], chance: random.Random, length: int, answer: int) -> list[int]:
    """`length` token ids that the next `answer` tokens quote, in pieces of 24 and in another order. The rest of the
    prompt are tokens that the answer does not have."""
    start = chance.randrange(len(tokens))
    path = np.roll(tokens, -start)
    pieces = [path[first : first + _PIECE] for first in range(1, answer + 1, _PIECE)]
    rest = path[answer + _PIECE + 1 :]
    filler = max(length - 1 - sum(map(len, pieces)), 0)
    pieces += [rest[first : first + 1] for first in chance.sample(range(len(rest)), min(filler, len(rest)))]
    chance.shuffle(pieces)
    return [int(token) for token in (*np.concatenate(pieces), path[0])]


def _scale(tensor: Any) -> None:
    size = _BLOCK_BYTES[tensor.tensor_type.name]
    blocks = tensor.data.reshape(-1, size)
    scales = blocks[:, :_SCALE_BYTES].copy().view(np.float16) * np.float16(_DAMPING)
    blocks[:, :_SCALE_BYTES] = scales.view(np.uint8)
