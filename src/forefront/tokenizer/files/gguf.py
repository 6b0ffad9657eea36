"""The tokenizer that a GGUF file describes under `tokenizer.ggml.*`."""

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tokenizers import Tokenizer as Pipeline

from forefront.tokenizer.algorithms.byte_pair import ends_words, merge_pipeline, parse_merges
from forefront.tokenizer.algorithms.pretokenizer import DEFAULT_RULE, SplittingRule, find_rule, rule_names
from forefront.tokenizer.algorithms.sentencepiece import score_pipelines
from forefront.tokenizer.algorithms.unigram import unigram_pipelines
from forefront.tokenizer.algorithms.word_piece import word_pipeline
from forefront.tokenizer.encoder import ALL_DIGITS, ASCII_DIGITS, AddedToken, TextEncoder, add_tokens, word_ends
from forefront.tokenizer.errors import TokenizerError
from forefront.tokenizer.files.named_templates import joined_template
from forefront.tokenizer.tokenizer import TokenFacts, Tokenizer
from forefront.tokenizer.vocabulary.saved_merges import SavedMerges
from forefront.tokenizer.vocabulary.special_tokens import control_tokens, end_tokens, text_tokens
from forefront.tokenizer.vocabulary.token_bytes import SPACE, byte_piece, spaced_pieces, symbol_pieces
from forefront.tokenizer.vocabulary.token_table import (
    BYTE,
    CONTROL,
    NORMAL,
    UNKNOWN,
    UNUSED,
    USER_DEFINED,
    TokenTable,
    read_table,
    read_texts,
    setting,
    token_setting,
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Kind:
    """The consequences of `tokenizer.ggml.model`: the encoding of a vocabulary, and the defaults of missing fields."""

    build: Callable[[Mapping[str, Any], TokenTable, SavedMerges | None], "_Built"]
    bos: int | None = None
    eos: int | None = None
    add_bos: bool = False
    add_eos: bool = False


@dataclass(frozen=True, slots=True)
class _Built:
    """The pipelines of a vocabulary. `spaced`: its tokens have U+2581 for a space. `whole_words`: a long text may be
    cut between words. The rest is as in `SplittingRule`."""

    pipeline: Pipeline
    continued: Pipeline | None = None
    spaced: bool = False
    whole_words: bool = True
    digits: re.Pattern[str] | None = None
    adds_bos: bool = False
    always_bos: bool = False


def gguf_tokenizer(metadata: Mapping[str, Any], saved: SavedMerges | None = None) -> Tokenizer:
    """The tokenizer of `metadata`, the fields of a GGUF file by name. `saved`: a cache of merges. Raises
    `TokenizerError`."""
    kind = _kind(metadata)
    table = read_table(metadata)
    size = len(table.texts)
    table.types[list(text_tokens(table.ids))] = NORMAL
    built = kind.build(metadata, table, saved)
    control = control_tokens(table.ids, table.of_type(CONTROL, UNKNOWN))
    added = _added(metadata, table, control)
    for pipeline in filter(None, (built.pipeline, built.continued)):
        add_tokens(pipeline, added)
    encoder = TextEncoder(
        built.pipeline,
        built.continued,
        {table.ids[token.text]: token.text for token in added},
        word_ends(added, spaces_only=built.spaced) if built.whole_words else None,
        built.digits,
        missing=size if built.pipeline.get_vocab_size() > size else None,
    )
    return Tokenizer(encoder, _facts(metadata, table, kind, built, control))


def check_kind(metadata: Mapping[str, Any]) -> None:
    """Raises `TokenizerError` for an unknown kind of tokenizer or splitting rule. Reads no tokens."""
    kind = _kind(metadata)
    if kind.build is _byte_pair and (name := setting(metadata, "pre", str, "")) and find_rule(name) is None:
        raise _unknown_rule(name)


def _kind(metadata: Mapping[str, Any]) -> _Kind:
    name = setting(metadata, "model", str, "")
    kind = _KINDS.get(name)
    if kind is None:
        raise TokenizerError(f"its tokenizer.ggml.model is {name!r}; known are {', '.join(_KINDS)}")
    return kind


def _unknown_rule(name: str) -> TokenizerError:
    return TokenizerError(f"its tokenizer.ggml.pre is {name!r}; known are {', '.join(rule_names())}")


def _facts(metadata: Mapping[str, Any], table: TokenTable, kind: _Kind, built: _Built, control: set[int]) -> TokenFacts:
    size = len(table.texts)
    bos = token_setting(metadata, "bos", size, kind.bos)
    eos = token_setting(metadata, "eos", size, kind.eos)
    declared, used = (
        {token for token in (first, *(token_setting(metadata, name, size) for name in names)) if token is not None}
        for first, names in ((eos, ("eot", "eom", "fim_pad", "fim_rep", "fim_sep")), (bos, ("padding", "unknown")))
    )
    pieces = (spaced_pieces if built.spaced else symbol_pieces)(table.texts)
    for token in table.of_type(USER_DEFINED):
        text = table.texts[token]
        pieces[token] = (text.replace(SPACE, " ") if built.spaced else text).encode()
    for token in table.of_type(BYTE):
        pieces[token] = byte_piece(table.texts[token]) or b""
    for token in {*control, *table.of_type(UNUSED)}:
        pieces[token] = b""
    rank_template = metadata.get("tokenizer.chat_template.rerank")
    return TokenFacts(
        pieces,
        {table.texts[token]: token for token in sorted(control)},
        end_tokens(table.ids, declared, used),
        "" if bos is None else table.texts[bos],
        "" if eos is None else table.texts[eos],
        bos is not None
        and (built.always_bos or setting(metadata, "add_bos_token", bool, kind.add_bos or built.adds_bos)),
        eos is not None and setting(metadata, "add_eos_token", bool, kind.add_eos),
        setting_template(metadata),
        rank_template if isinstance(rank_template, str) else "",
        added=frozenset({*control, *table.of_type(USER_DEFINED)}),
    )


def setting_template(metadata: Mapping[str, Any]) -> str:
    """The file's chat template, empty if it has none. Raises `TokenizerError`."""
    template = metadata.get("tokenizer.chat_template", "")
    if not isinstance(template, str):
        raise TokenizerError("its tokenizer.chat_template is not a text")
    return joined_template(template, metadata.get("tokenizer.chat_template.tool_use"))


def _added(metadata: Mapping[str, Any], table: TokenTable, control: set[int]) -> list[AddedToken]:
    """The tokens that are found before a text is split: control tokens and tokens added by the model's authors."""
    # Files do not record that these models have no space after a control token; llama.cpp uses the name, too.
    name = str(metadata.get("general.name", "")).lower()
    strips = "phi-3" in name or "phi3" in name
    kept = {"<unk>", "<s>", "<|endoftext|>"}
    return [
        AddedToken(text, token in control, strips_right=strips and text not in kept)
        for token in sorted({*control, *table.of_type(USER_DEFINED)})
        for text in (table.texts[token],)
    ]


def _byte_pair(metadata: Mapping[str, Any], table: TokenTable, _saved: SavedMerges | None) -> _Built:
    return _merged(metadata, table, _rule(setting(metadata, "pre", str, "")))


def _gemma4(metadata: Mapping[str, Any], table: TokenTable, _saved: SavedMerges | None) -> _Built:
    return _merged(metadata, table, _rule("gemma4"))


def _merged(metadata: Mapping[str, Any], table: TokenTable, rule: SplittingRule) -> _Built:
    merges = parse_merges(read_texts(metadata, "merges"))
    return _Built(
        merge_pipeline(table, merges, rule),
        spaced=rule.raw,
        whole_words=ends_words(table.texts) if rule.raw else not rule.joins_words,
        digits=None if not rule.groups_digits else ASCII_DIGITS if rule.ascii_digits else ALL_DIGITS,
        adds_bos=rule.adds_bos,
        always_bos=rule.always_bos,
    )


def _rule(name: str) -> SplittingRule:
    if not name:
        _log.warning("the model's file does not name a rule for splitting texts; the model's quality may suffer")
        return DEFAULT_RULE
    rule = find_rule(name)
    if rule is None:
        raise _unknown_rule(name)
    return rule


def _sentencepiece(metadata: Mapping[str, Any], table: TokenTable, saved: SavedMerges | None) -> _Built:
    pipeline, continued = score_pipelines(metadata, table, saved)
    return _Built(pipeline, continued, spaced=True, whole_words=ends_words(table.texts))


def _unigram(metadata: Mapping[str, Any], table: TokenTable, _saved: SavedMerges | None) -> _Built:
    pipeline, continued = unigram_pipelines(metadata, table)
    return _Built(pipeline, continued, spaced=True, whole_words=False)


def _word_piece(metadata: Mapping[str, Any], table: TokenTable, _saved: SavedMerges | None) -> _Built:
    return _Built(word_pipeline(metadata, table), spaced=True)


_KINDS: Final = {
    "gpt2": _Kind(_byte_pair),
    "gemma4": _Kind(_gemma4),
    "llama": _Kind(_sentencepiece, bos=1, eos=2, add_bos=True),
    "t5": _Kind(_unigram, eos=1, add_eos=True),
    "bert": _Kind(_word_piece, bos=101, eos=102, add_bos=True, add_eos=True),
}
