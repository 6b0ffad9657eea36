"""A directory's tokenizer: from `tokenizer.json`, from OpenVINO's graphs, or from a GGUF file's metadata."""

import json
from pathlib import Path
from typing import Any

import pytest
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from forefront.chat.local.loading import ModelParts
from forefront.tokenizer.errors import TokenizerError
from forefront.tokenizer.files.hugging_face import hugging_face_tokenizer
from forefront.tokenizer.files.load import load_tokenizer
from forefront.tokenizer.files.openvino import openvino_tokenizer
from tests.support.models.random_model import CHATML
from tests.support.models.texts import texts
from tests.support.models.vocabularies import CONTROL, USER_DEFINED, Vocabulary, byte_level, raw_merges

PATTERN = r"'s| ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
CONFIG = {"bos_token": "<s>", "eos_token": {"content": "<|im_end|>"}, "chat_template": CHATML}


def of(vocabulary: Vocabulary) -> Tokenizer:
    ids = {text: token for token, text in enumerate(vocabulary.tokens)}
    merges = [(left, right) for left, right in (line.split(" ") for line in vocabulary.merges)]
    pipeline = Tokenizer(models.BPE(ids, merges, byte_fallback="<0x00>" in ids))
    pipeline.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in CONTROL])
    pipeline.add_tokens([AddedToken(text, normalized=False) for text in USER_DEFINED])
    return pipeline


def byte_pipeline() -> Tokenizer:
    pipeline = of(byte_level())
    split = pre_tokenizers.Split(Regex(PATTERN), "isolated")
    pipeline.pre_tokenizer = pre_tokenizers.Sequence(
        [split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    pipeline.decoder = decoders.ByteLevel()
    pipeline.post_processor = processors.TemplateProcessing("<s> $A", special_tokens=[("<s>", 1)])
    return pipeline


def spaced_pipeline(normalizer: Any, pre_tokenizer: Any = None) -> Tokenizer:
    pipeline = of(raw_merges())
    pipeline.normalizer = normalizer
    if pre_tokenizer is not None:
        pipeline.pre_tokenizer = pre_tokenizer
    pipeline.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    return pipeline


def legacy() -> Tokenizer:
    return spaced_pipeline(normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]))


def first_only() -> Tokenizer:
    return spaced_pipeline(normalizers.Sequence([]), pre_tokenizers.Metaspace("▁", prepend_scheme="first", split=False))


def unprefixed() -> Tokenizer:
    return spaced_pipeline(normalizers.Replace(" ", "▁"))


PIPELINES = {
    "bytes": byte_pipeline,
    "space before every text": legacy,
    "space first": first_only,
    "no space": unprefixed,
}


def save(folder: Path, pipeline: Tokenizer, config: Any = CONFIG) -> Path:
    pipeline.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize("name", PIPELINES)
def test_tokens_are_the_librarys(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = PIPELINES[name]()
    ours = load_tokenizer(save(tmp_path, pipeline))
    sample = list(texts(150, 1, [*CONTROL, *USER_DEFINED]))
    for text in [*sample, " and so on ".join(sample[:40])]:
        assert ours.encode(text) == pipeline.encode(text, add_special_tokens=False).ids
    monkeypatch.setattr("forefront.tokenizer.encoder._CHUNK", 20)
    text = " and so on ".join(sample)
    assert ours.encode(text) == pipeline.encode(text, add_special_tokens=False).ids


@pytest.mark.parametrize("name", PIPELINES)
def test_a_part_that_follows_text_gets_no_space(name: str, tmp_path: Path) -> None:
    ours = load_tokenizer(save(tmp_path, PIPELINES[name]()))
    names = {token: text.encode() for text, token in ours.control.items()}

    def shown(*parts: str) -> str:
        return b"".join(names.get(token, ours.pieces[token]) for token in ours.encode_parts(parts)).decode()

    start = "" if name in ("bytes", "no space") else " "
    after = " " if name == "space before every text" else ""
    assert shown("ab", "cd") == f"{start}abcd"
    assert shown("ab", "cd<s>ef") == f"{start}abcd<s>{after}ef"
    assert shown("<s>", "ab", "<s>", "ef") == f"<s>{after}ab<s>{after}ef"


def test_the_configuration_is_read(tmp_path: Path) -> None:
    ours = load_tokenizer(save(tmp_path, byte_pipeline()))
    assert (ours.bos_token, ours.eos_token, ours.add_bos, ours.add_eos) == ("<s>", "<|im_end|>", True, False)
    assert ours.control == {text: token for token, text in enumerate(CONTROL)}
    assert ours.end_tokens == {4}
    assert ours.chat_template == CHATML
    assert ours.pieces[ours.encode("<think>")[0]] == b"<think>"


BOTH = "{% if tools %}t{% else %}d{% endif %}"
TEMPLATES = [
    ({"chat_template": [{"name": "rag", "template": "t"}, {"name": "default", "template": "d"}]}, None, "d"),
    ({"chat_template": [{"name": "tool_use", "template": "t"}, {"name": "default", "template": "d"}]}, None, BOTH),
    ({"chat_template": "config"}, "file", "file"),
    ({"chat_template": "config"}, ("d", "t"), BOTH),
    ({"chat_template": "config"}, {"chat_template": "processor"}, "config"),
    ({}, {"chat_template": "processor"}, "processor"),
    ({}, None, ""),
    ([], None, ""),
]


@pytest.mark.parametrize(("config", "file", "expected"), TEMPLATES)
def test_where_the_template_is(config: Any, file: Any, expected: str, tmp_path: Path) -> None:
    save(tmp_path, byte_pipeline(), config)
    if isinstance(file, str):
        (tmp_path / "chat_template.jinja").write_text(file)
    elif isinstance(file, tuple):
        (tmp_path / "chat_template.jinja").write_text(file[0])
        (tmp_path / "additional_chat_templates").mkdir()
        (tmp_path / "additional_chat_templates" / "tool_use.jinja").write_text(file[1])
    elif file is not None:
        (tmp_path / "chat_template.json").write_text(json.dumps(file))
    assert load_tokenizer(tmp_path).chat_template == expected


BROKEN = {
    "empty": b"",
    "not JSON": b"{",
    "another kind": b'{"a": 1}',
    "not UTF-8": b"\xff\xfe",
    "no vocabulary": b'{"version": "1.0", "added_tokens": [], "model": {"type": "BPE", "vocab": {}, "merges": []}}',
    "an id of billions": (
        b'{"version": "1.0", "added_tokens": [],'
        b' "model": {"type": "BPE", "vocab": {"a": 0, "b": 4000000000}, "merges": []}}'
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_gives_a_short_error(name: str, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_bytes(BROKEN[name])
    with pytest.raises(TokenizerError) as error:
        load_tokenizer(tmp_path)
    assert "\n" not in str(error.value)


def test_tokens_that_the_configuration_alone_declares(tmp_path: Path) -> None:
    pipeline = byte_pipeline()
    pipeline.save(str(tmp_path / "tokenizer.json"))
    size = pipeline.get_vocab_size()
    declared = {
        str(size): {"content": "<|extra|>", "special": True},
        str(size + 1): {"content": "<note>", "special": False},
        str(size + 9): {"content": "<far>", "special": True},  # no id that follows: plain text
        "1": {"content": "<s>", "special": True},
    }
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"added_tokens_decoder": declared}))
    (tmp_path / "special_tokens_map.json").write_text(json.dumps({"bos_token": "<s>", "eos_token": "<|extra|>"}))
    found = load_tokenizer(tmp_path)
    assert found.encode("a<|extra|>b<note>") == [*found.encode("a"), size, *found.encode("b"), size + 1]
    assert len(found.encode("<far>")) > 1
    assert found.control["<|extra|>"] == size
    assert found.bos_token == "<s>"
    assert size in found.end_tokens


def test_a_configuration_outside_json_gives_a_short_error(tmp_path: Path) -> None:
    save(tmp_path, byte_pipeline())
    (tmp_path / "tokenizer_config.json").write_text("{")
    with pytest.raises(TokenizerError, match=r"tokenizer_config\.json is not JSON"):
        load_tokenizer(tmp_path)


def test_a_pattern_beyond_the_library_is_an_error(tmp_path: Path) -> None:
    pipeline = byte_pipeline()
    pipeline.pre_tokenizer = pre_tokenizers.Split(Regex("(a+)+b"), "isolated")
    ours = load_tokenizer(save(tmp_path, pipeline))
    with pytest.raises(TokenizerError, match="retry-limit"):
        ours.encode("a" * 60)


def test_graphs_of_openvino_are_used_where_there_is_nothing_else(
    tiny_directory: Path, tiny_parts: ModelParts, tmp_path: Path
) -> None:
    for path in tiny_directory.iterdir():
        (tmp_path / path.name).symlink_to(path)
    ours, converted = load_tokenizer(tmp_path), tiny_parts.tokenizer
    assert type(ours._encoder) is type(openvino_tokenizer(tmp_path)._encoder)
    text = "<|im_start|>user\nThe quick brown fox, 12 times!<|im_end|>\n"
    assert ours.encode(text) == converted.encode(text)
    assert ours.encode_parts([text, "<|im_", "end|>"]) == converted.encode_parts([text, "<|im_", "end|>"])
    assert ours.pieces == converted.pieces
    assert ours.control == converted.control
    assert ours.end_tokens <= converted.end_tokens
    # A tokenizer.json without a template does not hide the graph's.
    save(tmp_path, byte_pipeline(), {})
    assert load_tokenizer(tmp_path).chat_template == ours.chat_template == CHATML
    save(tmp_path, byte_pipeline())
    assert load_tokenizer(tmp_path).encode(text) == hugging_face_tokenizer(tmp_path).encode(text)
