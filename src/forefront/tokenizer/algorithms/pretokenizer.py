r"""Rules that split a text into words before byte pair encoding, one for each name of `tokenizer.ggml.pre`.

Merges never span these splits, so other splits give tokens that the model was not trained on. The rules are those of
llama.cpp (`src/llama-vocab.cpp`), for which GGUF files are made, also where they differ from the published
`tokenizer.json`, as for capital letters outside ASCII.

The patterns avoid backtracking: `\s*[\r\n]+` becomes
`(?:[^\S\r\n]*+[\r\n]++)++`, and so on. A long text of one kind then takes linear time and no stack.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class SplittingRule:
    """`patterns` are applied in order, each to the pieces of the previous one; matches and the text between them are
    the new pieces.

    `raw`: tokens are written in plain UTF-8 with U+2581 for a space, in place of GPT-2's symbols for bytes.
    `ignore_merges`: a word that is a token is never put together from parts. `adds_bos`: a text begins with the BOS
    token if the file does not specify it, with `always_bos` even if it forbids it. `joins_words`: words with a space
    between them may be one piece. `groups_digits`: a run of digits is cut in groups of three from its end, with
    `ascii_digits` only of these.
    """

    patterns: tuple[str, ...]
    raw: bool = False
    ignore_merges: bool = False
    adds_bos: bool = False
    always_bos: bool = False
    joins_words: bool = False
    groups_digits: bool = False
    ascii_digits: bool = False


# Whitespace: all of a run at the end of a piece, else all but its last character, which belongs to the next word.
_SPACES: Final = r"\s++\z|(?:\s(?=\s))++|\s"
# A run of whitespace up to its last line break.
_LINES: Final = r"(?:[^\S\r\n]*+[\r\n]++)++"
_LINES_AND_SPACES: Final = rf"{_LINES}|{_SPACES}"
_ENDING: Final = r"'(?:[sStTmMdD]|[rR][eE]|[vV][eE]|[lL][lL])"
_PREFIX: Final = r"[^\r\n\p{L}\p{N}]?"
_ASCII_MARKS: Final = r"!-/:-@\[-`{-~"

_GPT2: Final = rf"'(?:[stmd]|re|ve|ll)| ?\p{{L}}++| ?\p{{N}}++| ?[^\s\p{{L}}\p{{N}}]++|{_SPACES}"
_LLAMA3: Final = rf"{_ENDING}|{_PREFIX}\p{{L}}++|\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]++[\r\n]*+|{_LINES_AND_SPACES}"
_QWEN2: Final = _LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
_MINICPM5: Final = _LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}++")
_QWEN35: Final = (
    rf"{_ENDING}|{_PREFIX}[\p{{L}}\p{{M}}]++|\p{{N}}| ?[^\s\p{{L}}\p{{M}}\p{{N}}]++[\r\n]*+|{_LINES_AND_SPACES}"
)
_SEED_CODER: Final = rf"{_ENDING}|{_PREFIX}\p{{L}}++|\p{{N}}| ?[^\s\p{{L}}\p{{N}}]++|{_LINES_AND_SPACES}"
_EXAONE_MOE: Final = (
    rf"{_ENDING}|{_PREFIX}\p{{L}}\p{{M}}*+(?: ?\p{{L}}\p{{M}}*+)*+|\p{{N}}| ?[^\s\p{{L}}\p{{N}}]++[\r\n/]?"
    rf"|{_LINES_AND_SPACES}"
)
_JAIS2_SPACES: Final = "|".join(rf"\s{{{count}}}(?!\S)" for count in (512, 256, 128, 64, 32, 16, 8, 4, "1,2"))
# A long run of spaces is matched in many steps, of which only the first looks for a line break after it.
_JAIS2: Final = _LLAMA3.replace(_LINES_AND_SPACES, rf"(?<![^\S\r\n]){_LINES}|{_JAIS2_SPACES}|\s")


def _cased(letters: str, digits: str, ending: str) -> str:
    """Words that end where a capital follows a small letter; of letters outside ASCII, each is both."""
    small, capital, both = (rf"[{letters}&&[{kind}]]" for kind in ("^A-Z", "^a-z", "^A-Za-z"))
    return (
        rf"{_PREFIX}(?:{capital}*+{small}++|(?:[A-Z]*+{both}++)++){ending}|{_PREFIX}[A-Z]++{ending}"
        rf"|{digits}| ?[^\s\p{{L}}\p{{N}}]++[\r\n/]*+|{_LINES_AND_SPACES}"
    )


def _marked(digits: str) -> str:
    """Words of letters and combining marks, with an ending."""
    return rf"{_PREFIX}[\p{{L}}\p{{M}}]++(?:{_ENDING})?|{digits}| ?[^\s\p{{L}}\p{{N}}]++[\r\n/]*+|{_LINES_AND_SPACES}"


_TEKKEN: Final = _cased(r"\p{L}", r"\p{N}", "")
_GPT4O: Final = _cased(r"\p{L}", r"\p{N}{1,3}", f"(?:{_ENDING})?")
_GRANITE: Final = _cased(r"\p{L}\p{M}", r"\p{N}{1,3}", f"(?:{_ENDING})?")

_DEEPSEEK3_WORDS: Final = rf"[{_ASCII_MARKS}][A-Za-z]++|[^\r\n\p{{L}}\p{{P}}\p{{S}}]?[\p{{L}}\p{{M}}]++"
_DEEPSEEK3_CJK: Final = r"[\x{4E00}-\x{9FA5}\x{3040}-\x{30FF}]++"
_DEEPSEEK3: Final = rf"{_DEEPSEEK3_WORDS}| ?[\p{{P}}\p{{S}}]++[\r\n]*+|{_LINES_AND_SPACES}"
_SPARK: Final = rf"{_DEEPSEEK3_WORDS}| ?[\p{{P}}\p{{S}}]++|[\r\n]|{_SPACES}"
_DEEPSEEK_CJK: Final = r"[\x{800}-\x{9FA5}\x{AC00}-\x{D7FF}&&[^\s]]++"
# Letters of alphabets that have capitals.
_DEEPSEEK_LETTERS: Final = (
    r"A-Za-z\x{B5}\x{C0}-\x{D6}\x{D8}-\x{F6}\x{F8}-\x{1BA}\x{1BC}-\x{1BF}\x{1C4}-\x{293}\x{295}-\x{2AF}"
    r"\x{370}-\x{373}\x{376}\x{377}\x{37B}-\x{37D}\x{37F}\x{386}\x{388}-\x{38A}\x{38C}\x{38E}-\x{3A1}"
    r"\x{3A3}-\x{3F5}\x{3F7}-\x{481}\x{48A}-\x{52F}\x{531}-\x{556}\x{10A0}-\x{10C5}\x{13A0}-\x{13F5}"
    r"\x{13F8}-\x{13FD}\x{1C90}-\x{1CBA}\x{1CBD}-\x{1CBF}\x{1D00}-\x{1D2B}\x{1D6B}-\x{1D77}"
    r"\x{1D79}-\x{1D9A}\x{1E00}-\x{1F15}\x{1F18}-\x{1F1D}\x{1F20}-\x{1F45}\x{1F48}-\x{1F4D}"
    r"\x{1F50}-\x{1F57}\x{1F59}\x{1F5B}\x{1F5D}\x{1F5F}-\x{1F7D}\x{1F80}-\x{1FB4}\x{1FB6}-\x{1FBC}\x{1FBE}"
    r"\x{1FC2}-\x{1FC4}\x{1FC6}-\x{1FCC}\x{1FD0}-\x{1FD3}\x{1FD6}-\x{1FDB}\x{1FE0}-\x{1FEC}"
    r"\x{1FF2}-\x{1FF4}\x{1FF6}-\x{1FFC}\x{2102}\x{2107}\x{210A}-\x{2113}\x{2115}\x{2119}-\x{211D}\x{2124}"
    r"\x{2126}\x{2128}\x{212A}-\x{212D}\x{212F}-\x{2134}\x{2139}\x{213C}-\x{213F}\x{2145}-\x{2149}\x{214E}"
    r"\x{2183}\x{2184}\x{2C00}-\x{2C7B}\x{2C7E}-\x{2CE4}\x{2CEB}-\x{2CEE}\x{2CF2}\x{2CF3}\x{A640}-\x{A66D}"
    r"\x{A680}-\x{A69B}\x{A722}-\x{A76F}\x{A771}-\x{A787}\x{A78B}-\x{A78E}\x{AB70}-\x{ABBF}"
    r"\x{FB00}-\x{FB06}\x{FB13}-\x{FB17}\x{FF21}-\x{FF3A}\x{FF41}-\x{FF5A}\x{10400}-\x{1044F}"
    r"\x{104B0}-\x{104D3}\x{104D8}-\x{104FB}\x{10C80}-\x{10CB2}\x{10CC0}-\x{10CF2}\x{118A0}-\x{118DF}"
    r"\x{1E900}-\x{1E943}"
).rstrip("]")
_DEEPSEEK_MARKS: Final = r"[!-/:-~\x{FF01}-\x{FF0F}\x{FF1A}-\x{FF5E}\x{2018}-\x{201F}\x{3001}\x{3002}]"
_DEEPSEEK_LLM: Final = (
    r"[\r\n]",
    rf"\s?[{_DEEPSEEK_LETTERS}]++",
    rf"\s?{_DEEPSEEK_MARKS}++",
    r"(?<!\s)\s++\z",
    _DEEPSEEK_CJK,
    r"\p{N}++",
)
_DEEPSEEK_CODER: Final = (r"[\r\n]", r"\s?\p{L}++", r"\s?\p{P}++", _DEEPSEEK_CJK, r"\p{N}")

_HAN: Final = (
    r"\x{4E00}-\x{9FFF}\x{3400}-\x{4DBF}\x{20000}-\x{2A6DF}\x{2A700}-\x{2B73F}\x{2B740}-\x{2B81F}\x{2B820}-\x{2CEAF}"
    r"\x{2CEB0}-\x{2EBEF}\x{F900}-\x{FAFF}\x{2F800}-\x{2FA1F}"
)
_KIMI: Final = (
    rf"[{_HAN}]++|{_PREFIX}[\p{{L}}&&[^{_HAN}]]++(?:{_ENDING})?|\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]++[\r\n]*+"
    rf"|{_LINES_AND_SPACES}"
)
_BLOOM: Final = r" ?[^(\s|.,!?\x{2026}\x{3002}\x{FF0C}\x{3001}\x{964}\x{6D4}\x{60C})]++"
_YOUTU: Final = (
    r"[\x{AC00}-\x{D7A3}\x{3131}-\x{318E}]++"
    r"|[\x{FF01}\x{2026}\x{201C}\x{201D}\x{2018}\x{2019}\x{2014}\x{FF1A}\x{FF1B}\x{FF0C}\x{3001}-\x{303F}"
    r"\x{FE30}-\x{FE4F}]++|[\x{3105}-\x{312F}]++|[\x{4E00}-\x{9FA5}\x{3040}-\x{30FF}]++"
)
# Text before a run of digits stays with its first group.
_DIGIT_GROUPS: Final = r"(?<!\P{N})\P{N}*+\p{N}{1,3}(?=(?:\p{N}{3})*+(?!\p{N}))"
_AFMOE_ASIAN: Final = (
    r"[\x{4E00}-\x{9FFF}\x{3400}-\x{4DBF}\x{8C48}-\x{FAFF}\x{3040}-\x{30FF}\x{FF65}-\x{FF9F}\x{2F00}-\x{2FDF}"
    r"\x{E40}-\x{EFF}\x{1780}-\x{17FF}\x{1000}-\x{109F}\x{AA60}-\x{AA7F}\x{A9E0}-\x{A9FF}\x{AC00}-\x{D7AF}"
    r"\x{1100}-\x{11FF}]++"
)
_CHAMELEON: Final = (
    r"<sentinel:[0-9]++>",
    r"IMGIMG[A-I]{1,4}Z",
    r"[\t\n]|    |  ",
    r"\p{N}",
    rf"[\p{{P}}{_ASCII_MARKS}]",
    _GPT2,
)
_PARAGRAPHS: Final = r"[^\n]++|\n++"

DEFAULT_RULE: Final = SplittingRule((r"[\p{P}$+<=>^~|]++", _GPT2, r"\p{N}++", "[0-9][0-9][0-9]"))


def _named(names: Iterable[str], rule: SplittingRule) -> dict[str, SplittingRule]:
    return dict.fromkeys(names, rule)


_RULES: Final[dict[str, SplittingRule]] = (
    {"default": DEFAULT_RULE}
    | _named(
        (
            *("gpt-2", "phi-2", "jina-es", "jina-de", "jina-v2-es", "jina-v2-de", "jina-v1-en", "jina-v2-code"),
            *("gigachat", "a.x-4.0", "mellum", "modern-bert", "roberta-bpe", "exaone4", "mpt", "olmo", "jais"),
            *("trillion", "granite-docling"),
        ),
        SplittingRule((_GPT2,)),
    )
    | _named(
        (*("starcoder", "refact", "command-r", "smollm", "codeshell", "exaone", "minerva-7b", "mellum2"),),
        SplittingRule((r"\p{N}", _GPT2)),
    )
    | _named(
        (
            *("llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2"),
            "jina-v5-nano",
        ),
        SplittingRule((_LLAMA3,), ignore_merges=True, adds_bos=True),
    )
    | _named(("dbrx", "smaug-bpe", "chatglm-bpe"), SplittingRule((_LLAMA3,)))
    | _named(("glm4", "glm5"), SplittingRule((_LLAMA3,), ignore_merges=True))
    | _named(
        (
            *("qwen2", "deepseek-r1-qwen", "kormo", "f2llmv2", "megrez", "stablelm2", "hunyuan", "solar-open"),
            "grok-2",
        ),
        SplittingRule((_QWEN2,)),
    )
    | _named(("gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"), SplittingRule((_GPT4O,)))
    | _named(
        ("deepseek-v3", "hunyuan-dense", "joyai-llm", "hy_v4"),
        SplittingRule((r"\p{N}{1,3}", _DEEPSEEK3_CJK, _DEEPSEEK3)),
    )
    | _named(("poro-chat", "bloom", "gpt3-finnish"), SplittingRule((_BLOOM,)))
    | _named(("bailingmoe", "bailingmoe2", "llada-moe"), SplittingRule((_QWEN2,)))
    | _named(("tiny_aya", "cohere2moe"), SplittingRule((_DIGIT_GROUPS, _marked(r"\p{N}{1,3}")), groups_digits=True))
    | _named(("gemma4", "granite-embed-multi-311m"), SplittingRule((_PARAGRAPHS,), raw=True, always_bos=True))
    | {
        "sarvam-moe": SplittingRule((_PARAGRAPHS,), raw=True),
        "minicpm5": SplittingRule((r"\p{N}{1,3}", _MINICPM5), ignore_merges=True),
        "deepseek-llm": SplittingRule(_DEEPSEEK_LLM),
        "deepseek-coder": SplittingRule(_DEEPSEEK_CODER),
        "spark2_5": SplittingRule((r"\p{N}{1,3}", _DEEPSEEK3_CJK, _SPARK, r"\p{N}")),
        "youtu": SplittingRule((_YOUTU, _marked(r"\p{N}")), ignore_merges=True),
        "falcon": SplittingRule((r"[\p{P}$+<=>^~|`]++", _GPT2, "[0-9][0-9][0-9]")),
        "jais-2": SplittingRule((_JAIS2,)),
        "qwen35": SplittingRule((_QWEN35,)),
        "viking": SplittingRule((_BLOOM, r"\p{N}")),
        "tekken": SplittingRule((_TEKKEN,), ignore_merges=True, adds_bos=True),
        "exaone-moe": SplittingRule((_EXAONE_MOE,), joins_words=True),
        "chameleon": SplittingRule(_CHAMELEON, adds_bos=True),
        "granite-embed-multi-97m": SplittingRule((_GRANITE,), ignore_merges=True),
        "superbpe": SplittingRule(
            (r"\p{N}++", r"(?=(?:[0-9]{3})++(?![0-9]))"), joins_words=True, groups_digits=True, ascii_digits=True
        ),
        "seed-coder": SplittingRule((_SEED_CODER,)),
        "kimi-k2": SplittingRule((_KIMI,)),
        "ufakzeka": SplittingRule((_QWEN2.removeprefix(f"{_ENDING}|"),)),
        "afmoe": SplittingRule((_DIGIT_GROUPS, _AFMOE_ASIAN, _DEEPSEEK3), groups_digits=True),
        "laguna": SplittingRule((_PARAGRAPHS, _QWEN2)),
    }
)


def find_rule(name: str) -> SplittingRule | None:
    """The rule of that name; None for an unknown name."""
    return _RULES.get(name)


def rule_names() -> list[str]:
    """All known names."""
    return sorted(_RULES)
