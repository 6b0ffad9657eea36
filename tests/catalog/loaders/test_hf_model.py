"""A Hugging Face directory becomes a model that answers; what cannot be served is one clear sentence."""

import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from forefront.catalog.loaders.hf_model import HfModel
from forefront.catalog.loaders.local_loader import load
from forefront.catalog.model_cache import ModelCache
from forefront.catalog.sources.source import ModelSource, SourceError, parse_source
from forefront.chat.local.loading import ModelOptions
from tests.support.models.hf_directory import write_directory
from tests.support.models.loaded import Silent
from tests.support.models.random_decoder import CONTEXT, VOCABULARY

REFERENCES = Path(__file__).parents[2] / "tokenizer" / "references"


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hf")
    write_directory(folder / "tiny")
    return folder / "tiny"


def copied(directory: Path, folder: Path) -> Path:
    """The directory with links in place of its files."""
    folder.mkdir()
    for path in directory.iterdir():
        (folder / path.name).symlink_to(path)
    return folder


def test_a_directory_is_a_model(directory: Path, tmp_path: Path) -> None:
    source = parse_source(str(directory))
    assert (source.name, source.is_gguf, source.is_ir) == ("tiny", False, False)
    model = HfModel(source, ModelCache(tmp_path), exact=False)
    assert not model.is_prepared
    parts, precision = model.load()
    assert (parts.facts.context_length, parts.facts.end_tokens) == (CONTEXT, frozenset({0, 2}))
    assert parts.tokenizer.encode("<|im_start|>ab")[0] == 1
    assert precision == "weights as stored"
    assert HfModel(source, ModelCache(tmp_path), exact=False).is_prepared


def test_an_added_token_without_an_embedding_is_text(directory: Path, tmp_path: Path) -> None:
    folder = copied(directory, tmp_path / "more")
    pipeline = Tokenizer.from_file(str(folder / "tokenizer.json"))
    pipeline.add_special_tokens(["<image_soft_token>"])
    (folder / "tokenizer.json").unlink()
    pipeline.save(str(folder / "tokenizer.json"))
    model = load(parse_source(str(folder)), ModelCache(tmp_path), ModelOptions(contexts=1), Silent())
    assert model.backend.context_length == CONTEXT
    parts, _ = HfModel(parse_source(str(folder)), ModelCache(tmp_path), exact=False).load()
    tokens = parts.tokenizer.encode("<|im_start|><image_soft_token>ab")
    assert max(tokens) < VOCABULARY
    assert tokens[0] == 1
    assert b"".join(parts.tokenizer.pieces[token] for token in tokens) == b"<image_soft_token>ab"


@pytest.mark.parametrize("size", [VOCABULARY, VOCABULARY + 1])
def test_a_directory_with_another_vocabulary_is_a_model(size: int, directory: Path, tmp_path: Path) -> None:
    folder = copied(directory, tmp_path / "tekken")
    (folder / "tokenizer.json").unlink()
    vocabulary = json.loads((REFERENCES / "tekken.json").read_text())
    vocabulary["config"]["default_vocab_size"] = size
    (folder / "tekken.json").write_text(json.dumps(vocabulary))
    model = HfModel(parse_source(str(folder)), ModelCache(tmp_path), exact=False)
    if size > VOCABULARY:
        with pytest.raises(SourceError, match=r"tekken\.json has 289 tokens, but its embeddings have 288 rows"):
            model.load()
        return
    parts, _ = model.load()
    assert parts.tokenizer.encode("<s>[INST]") == [1, 3]
    assert parts.facts.end_tokens == frozenset({0, 2})


@pytest.mark.parametrize("precision", ["f32", "bf16"])
@pytest.mark.parametrize("kind", ["", "int8", "int4"])
def test_it_is_loaded_in_every_precision(directory: Path, tmp_path: Path, precision: str, kind: str) -> None:
    options = ModelOptions(contexts=1, quantize_weights=kind, inference_precision=precision)
    model = load(parse_source(str(directory)), ModelCache(tmp_path), options, Silent())
    expected = {"": "weights as stored, ", "int8": "BF16 rounded to 8 bits", "int4": "BF16 rounded to 4 bits"}[kind]
    assert expected in model.build.quantization
    assert model.backend.context_length == CONTEXT


def test_another_configuration_is_another_model(directory: Path, tmp_path: Path) -> None:
    folder = copied(directory, tmp_path / "other")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").unlink()
    (folder / "config.json").write_text(json.dumps(config | {"rope_theta": 5e5}))
    digests = [HfModel(ModelSource("x", path), ModelCache(tmp_path), exact=True).digest for path in (directory, folder)]
    assert digests[0] != digests[1]


@pytest.mark.parametrize(
    ("missing", "content", "message"),
    [
        ("config.json", None, r"must hold config\.json and \*\.safetensors"),
        ("model.safetensors", None, r"must hold config\.json and \*\.safetensors"),
        ("tokenizer.json", None, r"its tokenizer is missing: tokenizer\.json, tekken\.json or tokenizer\.model"),
        ("config.json", "[]", r"config\.json: it is not a JSON object"),
        ("config.json", "{", r"config\.json: it is not JSON"),
        ("tokenizer.json", "{", r"its tokenizer\.json cannot be used"),
        ("generation_config.json", '{"eos_token_id": "end"}', "tokens that end an answer are not all numbers"),
        ("model.safetensors", "cut", r"model\.safetensors: it is not a safetensors file"),
    ],
)
def test_an_invalid_directory_is_named(
    directory: Path, tmp_path: Path, missing: str, content: str | None, message: str
) -> None:
    folder = copied(directory, tmp_path / "broken")
    (folder / missing).unlink()
    if content is not None:
        (folder / missing).write_text(content)
    with pytest.raises(SourceError, match=message) as error:
        HfModel(parse_source(str(folder)), ModelCache(tmp_path / "home"), exact=True).load()
    assert str(error.value).startswith(str(folder))
    assert "\n" not in str(error.value)


def test_pickled_weights_and_adapters_are_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"PK")
    with pytest.raises(SourceError, match=r"pickled .* only safetensors are supported"):
        parse_source(str(tmp_path))
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(SourceError, match="LoRA"):
        parse_source(str(tmp_path))
