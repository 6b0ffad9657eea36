"""Whether the numbers of a GGUF file agree with each other: sizes of the network, vocabulary, token ids, context."""

from typing import Final

from forefront.catalog.gguf_file import GgufFile
from forefront.catalog.gguf_header import HeaderError

# Tokens. The longest contexts that models were made for are ten million tokens.
MAX_CONTEXT: Final = 2**24
MAX_VOCABULARY: Final = 2**22
_MAX_WIDTH: Final = 2**20
_MAX_HEAD: Final = 2**14
_SPECIAL: Final = ("bos", "eos", "eot", "eom", "unknown", "padding", "separator", "seperator")


def check_numbers(file: GgufFile) -> None:
    """Raises `HeaderError` for the first number that contradicts the tensors, the vocabulary or its own meaning."""
    file.integer(".context_length", 1, MAX_CONTEXT)
    _check_network(file)
    _check_vocabulary(file)


def _check_network(file: GgufFile) -> None:
    width = file.integer(".embedding_length", 1, _MAX_WIDTH)
    file.integer(".block_count", 1, len(file.tensors))
    file.integer(".feed_forward_length", 1, 2 * _MAX_WIDTH)
    heads = file.integer(".attention.head_count", 1, width)
    shared = file.integer(".attention.head_count_kv", 1, heads, heads)
    if heads % shared:
        raise HeaderError(f"its {heads} attention heads cannot share {shared} heads of keys and values")
    for key in (".attention.key_length", ".attention.value_length", ".rope.dimension_count"):
        file.integer(key, 1, _MAX_HEAD, max(width // heads, 1))
    epsilon = file.number(".attention.layer_norm_rms_epsilon", 1e-5)
    if not 0 < epsilon < 1:
        raise HeaderError(f"its attention.layer_norm_rms_epsilon is {epsilon}; it must be between 0 and 1")


def _check_vocabulary(file: GgufFile) -> None:
    tokens = file.value("tokenizer.ggml.tokens")
    if not isinstance(tokens, list) or not 1 <= len(tokens) <= MAX_VOCABULARY:
        raise HeaderError(f"its tokenizer.ggml.tokens is not a list of 1 to {MAX_VOCABULARY} tokens")
    for key in ("token_type", "scores"):
        entries = file.value(f"tokenizer.ggml.{key}", tokens)
        if not hasattr(entries, "__len__") or len(entries) != len(tokens):
            raise HeaderError(f"its tokenizer.ggml.{key} is not one entry for each of its {len(tokens)} tokens")
    for name in _SPECIAL:
        file.integer(f"tokenizer.ggml.{name}_token_id", 0, len(tokens) - 1, 0)
    embedding = file.tensors.get("token_embd.weight")
    if embedding is None or len(embedding.shape) != 2:
        raise HeaderError("it has no matrix token_embd.weight")
    width = file.integer(".embedding_length", 1, _MAX_WIDTH)
    if embedding.shape[0] != width or embedding.shape[1] < len(tokens):
        text = f"its token_embd.weight is {list(embedding.shape)}, for {len(tokens)} tokens and a width of {width}"
        raise HeaderError(text)
