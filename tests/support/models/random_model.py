"""A tiny model with random weights: its text is meaningless, but it takes every path of a trained model.

The scales of the weights are chosen so that greedy output wanders instead of settling on one token, depends on the
whole prompt, and has a clear winner at most steps, so that rounding does not change it.
"""

import itertools
import math
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gguf
import numpy as np

CHATML = (
    "{% for m in messages %}{{'<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{'<|im_start|>assistant\n'}}{% endif %}"
)
CONTROL = ("<|pad|>", "<|im_start|>", "<|im_end|>")
END = 2

_FILE_TYPES = {"F32": 0, "F16": 1, "Q4_0": 2, "Q8_0": 7}
# One standard deviation of the logits. The most likely of 512 normal numbers leads by about 0.3 of it.
_LOGITS = 4.0
_TEXT = """The quick brown fox jumps over the lazy dog, and then the dog asks the fox why it was in such a hurry. There
is nothing in the world that people would rather know than what somebody else has been thinking all this time. When the
first morning train came through the valley, three children were already waiting at the station with their mother; she
had written down every question they could think of, and wanted an answer before the evening. What is the weather like
today? How many of these numbers are prime? Could you please write a short story about a small house near the water,
where an old man and his friend kept working for more than twenty years? Of course, I will help you with that. Here are
some things which you should always remember: the light, the sound, the place where we found the other part."""
_PIECES = re.findall(r" ?\w+|[^\w\s]+", _TEXT)


def write_random_gguf(
    path: Path,
    *,
    vocab_size: int = 512,
    d_model: int = 128,
    layers: int = 2,
    heads: int = 2,
    kv_heads: int = 1,
    ffn: int = 256,
    context: int = 2048,
    seed: int = 0,
    quant: str = "Q8_0",
    tied: bool = False,
    rotated: int | None = None,
    rope_factors: Sequence[float] = (),
    rope_scaling: tuple[str, float] | None = None,
    chat_template: str | None = CHATML,
    pre: str = "gpt-2",
    learn_from: Sequence[str] = _PIECES,
    control: Sequence[str] = (),
    added: Sequence[str] = (),
) -> None:
    """Write a GGUF file of architecture "llama" with a byte-level BPE tokenizer. The same arguments, the same file.

    `quant` is one of Q8_0 and Q4_0, which want `d_model` and `ffn` in multiples of 32, F16, and F32, which OpenVINO
    refuses to convert. `tied`: the token embedding is the output projection too, and output repeats itself more.
    `rotated`: how many channels of a head turn with the position (all). `rope_factors`: one for each pair of them,
    written as Llama 3.1 does. `rope_scaling`: kind and factor. `pre`: the rule by which texts are cut before they are
    encoded. `learn_from`: pieces of text that make the vocabulary. `control`, `added`: further control tokens, and
    whole words that are text; their ids follow those of `CONTROL`, in this order.
    """
    tokens, merges = _vocabulary(vocab_size, [*CONTROL, *control, *added], learn_from)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("random")
    writer.add_context_length(context)
    writer.add_embedding_length(d_model)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(ffn)
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    writer.add_rope_dimension_count(rotated or d_model // heads)
    if rope_scaling is not None:
        writer.add_rope_scaling_type(gguf.RopeScalingType(rope_scaling[0]))
        writer.add_rope_scaling_factor(rope_scaling[1])
    if rope_factors:
        writer.add_tensor("rope_freqs.weight", np.array(rope_factors, np.float32))
    writer.add_vocab_size(vocab_size)
    writer.add_file_type(_FILE_TYPES[quant])
    _add_tokenizer(writer, tokens, merges, chat_template, pre)
    writer.add_token_types(_token_types(tokens, control, added))
    _add_weights(writer, vocab_size, d_model, layers, kv_heads * (d_model // heads), ffn, seed, quant, tied)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_tokenizer(writer: Any, tokens: list[str], merges: list[str], chat_template: str | None, pre: str) -> None:
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_merges(merges)
    writer.add_bos_token_id(CONTROL.index("<|im_start|>"))
    writer.add_eos_token_id(END)
    writer.add_add_bos_token(False)
    if chat_template is not None:
        writer.add_chat_template(chat_template)


def _token_types(tokens: list[str], control: Sequence[str], added: Sequence[str]) -> list[gguf.TokenType]:
    kinds = dict.fromkeys([*CONTROL, *control], gguf.TokenType.CONTROL)
    kinds |= dict.fromkeys(added, gguf.TokenType.USER_DEFINED)
    return [kinds.get(token, gguf.TokenType.NORMAL) for token in tokens]


def _add_weights(
    writer: Any, vocab_size: int, d: int, layers: int, kv: int, ffn: int, seed: int, quant: str, tied: bool
) -> None:
    rng = np.random.default_rng(seed)
    kind = gguf.GGMLQuantizationType[quant]

    def matrix(name: str, rows: int, columns: int, gain: float) -> None:
        data = rng.standard_normal((rows, columns), np.float32) * np.float32(gain / math.sqrt(columns))
        writer.add_tensor(f"{name}.weight", gguf.quants.quantize(data, kind), raw_dtype=kind)

    def norm(name: str) -> None:
        # Not all ones: a norm whose weights are left out or mixed up must show.
        writer.add_tensor(f"{name}.weight", rng.uniform(0.7, 1.3, d).astype(np.float32))

    matrix("token_embd", vocab_size, d, _LOGITS)
    norm("output_norm")
    if not tied:
        matrix("output", vocab_size, d, _LOGITS)
    for layer in range(layers):
        block = f"blk.{layer}"
        norm(f"{block}.attn_norm")
        # Sharper than 1.0, or attention would be an average over everything and the order of the prompt would not tell.
        matrix(f"{block}.attn_q", d, d, 1.5)
        matrix(f"{block}.attn_k", kv, d, 1.5)
        matrix(f"{block}.attn_v", kv, d, 1.0)
        matrix(f"{block}.attn_output", d, d, 2.0)
        norm(f"{block}.ffn_norm")
        matrix(f"{block}.ffn_gate", ffn, d, 1.0)
        matrix(f"{block}.ffn_up", ffn, d, 1.0)
        matrix(f"{block}.ffn_down", d, ffn, 2.0)


def _vocabulary(size: int, whole: Sequence[str], pieces: Sequence[str]) -> tuple[list[str], list[str]]:
    """The `whole` tokens, one token per byte, and as many merges as `size` leaves room for.

    The merges are those that byte pair encoding learns from `pieces`; when that has no pair left, any two bytes.
    """
    symbols = _byte_symbols()
    tokens = [*whole, *symbols]
    # One merge at least: without any, GGUF has no list of them, and OpenVINO refuses the file.
    if size <= len(tokens):
        raise ValueError(f"a vocabulary has {len(tokens) + 1} tokens at least")
    known = set(tokens)
    words = Counter(tuple(symbols[b] for b in word.encode()) for word in pieces)
    merges: list[str] = []
    byte_pairs = itertools.product(symbols, symbols)
    while len(tokens) < size:
        counts: Counter[tuple[str, str]] = Counter()
        for word, times in words.items():
            for pair in itertools.pairwise(word):
                counts[pair] += times
        # "a" + "bc" and "ab" + "c" make the same token, which can be in the vocabulary only once.
        learnt = max((p for p in counts if "".join(p) not in known), key=lambda p: (counts[p], p), default=None)
        pair = learnt or next(p for p in byte_pairs if "".join(p) not in known)
        words = Counter({_merged(word, pair): times for word, times in words.items()})
        merges.append(" ".join(pair))
        tokens.append("".join(pair))
        known.add(tokens[-1])
    return tokens, merges


def _merged(word: tuple[str, ...], pair: tuple[str, str]) -> tuple[str, ...]:
    merged: list[str] = []
    for symbol in word:
        if merged and (merged[-1], symbol) == pair:
            merged[-1] += symbol
        else:
            merged.append(symbol)
    return tuple(merged)


def _byte_symbols() -> list[str]:
    """GPT-2's character for each byte: itself where it is visible, else one from U+0100 on."""
    visible = {*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)}
    others = itertools.count(256)
    return [chr(byte if byte in visible else next(others)) for byte in range(256)]
