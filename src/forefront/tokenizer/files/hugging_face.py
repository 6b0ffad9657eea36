"""The tokenizer of a Hugging Face directory: `tokenizer.json`, with `tokenizer_config.json` beside it."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tokenizers import AddedToken as LibraryToken
from tokenizers import Tokenizer as Pipeline
from tokenizers import pre_tokenizers

from forefront.tokenizer.algorithms.byte_pair import ends_words, space_split
from forefront.tokenizer.encoder import AddedToken, TextEncoder, word_ends
from forefront.tokenizer.errors import TokenizerError, library_errors
from forefront.tokenizer.files.config_files import read_template, read_tokenizer_settings, token_text
from forefront.tokenizer.tokenizer import TokenFacts, TokenFrame, Tokenizer
from forefront.tokenizer.vocabulary.special_tokens import control_tokens, end_tokens
from forefront.tokenizer.vocabulary.token_bytes import SPACE, byte_piece, spaced_pieces, symbol_pieces

HUGGING_FACE: Final = "tokenizer.json"


def hugging_face_tokenizer(directory: Path, rows: int | None = None) -> Tokenizer:
    """The tokenizer of `directory`. `rows`: of the matrix of embeddings; added tokens without a row are plain text.
    Raises `TokenizerError`."""
    with library_errors(f"its {HUGGING_FACE} cannot be used"):
        pipeline = Pipeline.from_file(str(directory / HUGGING_FACE))
        _add_declared(pipeline, read_tokenizer_settings(directory).get("added_tokens_decoder"))
        return pipeline_tokenizer(directory, pipeline if rows is None else _embedded(pipeline, rows), {})


def _add_declared(pipeline: Pipeline, declared: Any) -> None:
    """Adds the tokens that `tokenizer_config.json` alone declares, as Transformers does, where their ids follow."""
    entries = declared.items() if isinstance(declared, dict) else ()
    found = {int(key): entry for key, entry in entries if key.isdecimal() and len(key) < 10 and isinstance(entry, dict)}
    known = pipeline.get_added_tokens_decoder()
    following = max(pipeline.get_vocab_size(with_added_tokens=False), max(known, default=-1) + 1)
    for token, entry in sorted(found.items()):
        text = entry.get("content")
        if token in known or not isinstance(text, str) or not text:
            continue
        current = pipeline.token_to_id(text)
        if current == token or (current is None and token == following):
            flags = ("lstrip", "rstrip", "single_word", "normalized", "special")
            pipeline.add_tokens([LibraryToken(text, **{flag: entry.get(flag) is True for flag in flags})])
            following = max(following, token + 1)


def _embedded(pipeline: Pipeline, rows: int) -> Pipeline:
    """The pipeline without added tokens that have no embedding, such as those of images in a model for text."""
    added = pipeline.get_added_tokens_decoder()
    kept = {token: text for token, text in added.items() if token < rows}
    if len(kept) == len(added):
        return pipeline
    shorter = Pipeline(pipeline.model)
    for part in ("normalizer", "pre_tokenizer", "post_processor", "decoder"):
        if getattr(pipeline, part) is not None:
            setattr(shorter, part, getattr(pipeline, part))
    shorter.add_tokens([kept[token] for token in sorted(kept)])
    if shorter.get_added_tokens_decoder().keys() != kept.keys():
        raise TokenizerError(f"its added tokens have other ids without those from {rows} on, which have no embeddings")
    return shorter


def pipeline_tokenizer(directory: Path, pipeline: Pipeline, defaults: Mapping[str, Any]) -> Tokenizer:
    """The tokenizer of `pipeline` with the settings in `directory`. `defaults`: settings that its files may lack.
    Raises `TokenizerError`, and exceptions of the library."""
    pipeline.no_truncation()
    pipeline.no_padding()
    texts = _texts(pipeline)
    added = {token: text for token, text in pipeline.get_added_tokens_decoder().items() if text.content}
    layout = _layout(pipeline)
    if not layout.symbols and layout.merges:
        # The file's own splitting has no effect: its spaces are U+2581 by then.
        steps = [step for step in (pipeline.pre_tokenizer,) if step is not None]
        pipeline.pre_tokenizer = pre_tokenizers.Sequence([*steps, *space_split(texts)])
    encoder = TextEncoder(
        pipeline,
        _continued(pipeline) if layout.prefixes else None,
        {token: text.content for token, text in added.items()},
        _ends(pipeline, layout, texts, [AddedToken(t.content, t.special, t.lstrip, t.rstrip) for t in added.values()]),
        prefixes_after_control=layout.prefixes_after_control,
    )
    control = {text.content: token for token, text in added.items() if text.special}
    pieces = symbol_pieces(texts) if layout.symbols else spaced_pieces(texts)
    if not layout.symbols:
        pieces = [
            piece if (byte := byte_piece(text)) is None else byte for piece, text in zip(pieces, texts, strict=True)
        ]
    for token, text in added.items():
        pieces[token] = (text.content if layout.symbols else text.content.replace(SPACE, " ")).encode()
    config = {**defaults, **read_tokenizer_settings(directory)}
    facts = _facts(directory, config, pipeline, pieces, {t.content: token for token, t in added.items()}, control)
    return Tokenizer(encoder, facts)


def _facts(
    directory: Path,
    config: Mapping[str, Any],
    pipeline: Pipeline,
    pieces: list[bytes],
    added: Mapping[str, int],
    special: Mapping[str, int],
) -> TokenFacts:
    bos, eos, *others = (token_text(config, f"{name}_token") for name in ("bos", "eos", "pad", "unk"))
    control = control_tokens(added, special.values())
    for token in control:
        pieces[token] = b""
    around = pipeline.encode("a", add_special_tokens=True).ids
    return TokenFacts(
        pieces,
        {text: token for text, token in added.items() if token in control},
        end_tokens(added, _ids(added, [eos]), _ids(added, [bos, *others])),
        bos,
        eos,
        add_bos=bos in added and around[:1] == [added[bos]],
        add_eos=eos in added and around[-1:] == [added[eos]],
        chat_template=read_template(directory, config),
        frame=_frame(pipeline),
        added=frozenset(added.values()),
    )


def _frame(pipeline: Pipeline) -> TokenFrame | None:
    """The tokens that the file adds around texts, found with a sample text; None if it changes the text."""
    text = pipeline.encode("a", add_special_tokens=False).ids
    single, pair = pipeline.encode("a").ids, pipeline.encode("a", "a").ids
    starts = [n for n in range(len(single) - len(text) + 1) if single[n : n + len(text)] == text]
    if not text or len(starts) != 1:
        return None
    before, after = single[: starts[0]], single[starts[0] + len(text) :]
    rest = pair[len(before) + len(text) :]
    between = rest[: len(rest) - len(text) - len(after)]
    if [*before, *text, *between, *text, *after] != pair:
        return None
    return TokenFrame(tuple(before), tuple(after), tuple(between))


@dataclass(frozen=True, slots=True)
class _Layout:
    """Notation of tokens in the file. `symbols`: in GPT-2's symbols, else with U+2581 for a space. `prefixes`: a text
    gets a space before it; `prefixes_after_control`: so does text after an added token. `merges`: by byte pair
    encoding."""

    symbols: bool
    prefixes: bool
    prefixes_after_control: bool
    merges: bool


def _layout(pipeline: Pipeline) -> _Layout:
    parts = [_state(part) for part in (pipeline.normalizer, pipeline.pre_tokenizer)]
    steps = [step for part in parts for step in _steps(part)]
    always = any(step["type"] == "Prepend" or step.get("prepend_scheme") == "always" for step in steps)
    first = any(step.get("prepend_scheme") == "first" or step.get("add_prefix_space") is True for step in steps)
    symbols = any(step["type"] == "ByteLevel" for step in [*steps, *_steps(_state(pipeline.decoder))])
    return _Layout(symbols, always or first, always, type(pipeline.model).__name__ == "BPE")


def _continued(pipeline: Pipeline) -> Pipeline:
    """The same without a space before the text."""
    empty = {"type": "BPE", "vocab": {}, "merges": []}
    parts = {name: _unprefixed(_state(getattr(pipeline, name))) for name in ("normalizer", "pre_tokenizer")}
    bare = Pipeline.from_str(json.dumps({"version": "1.0", "added_tokens": [], "model": empty, **parts}))
    continued = Pipeline(pipeline.model)
    for name in parts:
        if getattr(bare, name) is not None:
            setattr(continued, name, getattr(bare, name))
    continued.add_tokens(list(pipeline.get_added_tokens_decoder().values()))
    return continued


def _unprefixed(state: Any) -> Any:
    if not isinstance(state, dict):
        return state
    for name in ("normalizers", "pretokenizers"):
        if name in state:
            return state | {name: [_unprefixed(step) for step in state[name] if step["type"] != "Prepend"]}
    changes = {"prepend_scheme": "never", "add_prefix_space": False}
    return None if state["type"] == "Prepend" else state | {k: v for k, v in changes.items() if k in state}


def _state(part: Any) -> Any:
    return None if part is None else json.loads(part.__getstate__())


def _steps(state: Any) -> list[dict[str, Any]]:
    if not isinstance(state, dict):
        return []
    inner: list[Any] = next((state[name] for name in ("normalizers", "pretokenizers", "decoders") if name in state), [])
    return [state, *(step for part in inner for step in _steps(part))]


def _ends(
    pipeline: Pipeline, layout: _Layout, texts: Sequence[str], added: Sequence[AddedToken]
) -> re.Pattern[str] | None:
    if not layout.symbols:
        return word_ends(added, spaces_only=True) if layout.merges and ends_words(texts) else None
    if pipeline.pre_tokenizer is None:
        return None
    starts = {start for _, (start, _) in pipeline.pre_tokenizer.pre_tokenize_str("ab cd\nef。gh，ij")}
    return word_ends(added, spaces_only=False) if {2, 5, 8, 11} <= starts else None


def _texts(pipeline: Pipeline) -> list[str]:
    """The text of each token, empty for unused ids."""
    vocabulary = pipeline.get_vocab(with_added_tokens=True)
    if len(vocabulary) < 2:
        raise TokenizerError(f"its vocabulary has {len(vocabulary)} tokens")
    size = max(vocabulary.values()) + 1
    if size > 4 * len(vocabulary) + 1024:
        raise TokenizerError(f"its vocabulary has {len(vocabulary)} tokens, but one has the id {size - 1}")
    texts = [""] * size
    for text, token in vocabulary.items():
        texts[token] = text
    return texts


def _ids(added: Mapping[str, int], texts: Sequence[str]) -> set[int]:
    return {added[text] for text in texts if text in added}
