"""Vectors of tiny models of every family, against llama.cpp."""

import json
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import xllamacpp

from forefront.engine.embedding.embedding_graph import InputEmbedding
from forefront.engine.embedding.embedding_model import EmbeddingInput, EmbeddingModel
from forefront.engine.model.model import ModelOptions
from forefront.graph.build import build_embedding_graph
from forefront.graph.gguf.gguf_file import GgufFile
from forefront.graph.hugging_face.model import HuggingFaceModel
from tests.support.models.hf_encoder import CHECKPOINTS, write_encoder_checkpoint
from tests.support.models.random_decoder import VOCABULARY
from tests.support.models.random_encoder import ENCODERS, RANK, EncoderFamily, write_encoder

LENGTHS = (5, 17, 33, 64, 3)
_POOLINGS = {1: "MEAN", 2: "CLS", 3: "LAST", 4: "RANK"}


def sequences() -> list[list[int]]:
    rng = np.random.default_rng(1)
    return [[int(token) for token in rng.integers(8, VOCABULARY, length)] for length in LENGTHS]


def load(path: Path, cache: Path, *, exact: bool = True) -> EmbeddingModel:
    cache.mkdir()
    graph = build_embedding_graph(GgufFile(path), cache, exact=exact).graph
    return EmbeddingModel(graph, 512, ModelOptions(threads=1, quantize_activations=not exact))


def test_padding_behind_the_last_position_has_no_effect(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    write_encoder(path, ENCODERS["bert, mean"])
    model, entry = load(path, tmp_path / "cache"), EmbeddingInput(sequences()[2])
    wanted = model.run([entry])
    assert isinstance(model._embed, InputEmbedding)
    assert model._embed.positions is not None
    # A model with as many positions as the text has tokens.
    model._embed = replace(model._embed, positions=model._embed.positions[: len(entry.tokens)])
    assert np.array_equal(model.run([entry]), wanted)


def llama_cpp(path: Path, family: EncoderFamily) -> npt.NDArray[np.float32]:
    """llama.cpp's vectors of the sequences, not normalised."""
    options = xllamacpp.CommonParams()
    options.model.path = str(path)
    options.n_ctx, options.n_parallel, options.n_gpu_layers, options.verbosity = 512, 1, 0, -1
    options.warmup = False
    options.cpuparams.n_threads = options.cpuparams_batch.n_threads = 1
    options.embedding = True
    options.cache_type_k = options.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    options.pooling_type = getattr(xllamacpp.llama_pooling_type, f"LLAMA_POOLING_TYPE_{_POOLINGS[family.pooling]}")
    options.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    server = xllamacpp.Server(options)
    vectors = []
    for tokens in sequences():
        body = json.dumps({"content": tokens, "embd_normalize": -1}).encode()
        request = urllib.request.Request(
            f"{server.listening_address}/embedding", body, {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request) as response:
            vector: Any = json.load(response)[0]["embedding"]
        vectors.append(vector[0] if isinstance(vector[0], list) else vector)
    found = np.array(vectors, np.float32)
    return found[:, :1] if family.pooling == RANK else found


# llama.cpp takes the softmax of the one output of "qwen3, score".
@pytest.mark.parametrize("name", [name for name in ENCODERS if name != "qwen3, score"])
def test_vectors_are_those_of_llama_cpp(name: str, tmp_path: Path) -> None:
    family, path = ENCODERS[name], tmp_path / "model.gguf"
    write_encoder(path, family)
    ours = load(path, tmp_path / "cache").run([EmbeddingInput(tokens) for tokens in sequences()])
    theirs = llama_cpp(path, family)
    assert ours.shape == theirs.shape
    # llama.cpp looks GELU up in a table of 16-bit numbers.
    assert np.abs(ours - theirs).max() < 0.005 * np.abs(theirs).max()


@pytest.mark.parametrize("name", ENCODERS)
def test_a_batch_changes_no_vector(name: str, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    write_encoder(path, ENCODERS[name])
    model = load(path, tmp_path / "cache")
    together = model.run([EmbeddingInput(tokens) for tokens in sequences()])
    alone = np.concatenate([model.run([EmbeddingInput(tokens)]) for tokens in sequences()])
    assert np.abs(together - alone).max() < 1e-4


def test_quantised_weights_are_close(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    write_encoder(path, ENCODERS["nomic-bert"], quant="F32")
    exact = load(path, tmp_path / "exact").run([EmbeddingInput(tokens) for tokens in sequences()])
    served = load(path, tmp_path / "served", exact=False).run([EmbeddingInput(tokens) for tokens in sequences()])
    cosine = (exact * served).sum(1) / np.linalg.norm(exact, axis=1) / np.linalg.norm(served, axis=1)
    assert cosine.min() > 0.99


def test_segments_count(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    write_encoder(path, ENCODERS["bert, rank"])
    model = load(path, tmp_path / "cache")
    [tokens, *_] = sequences()
    one, two = model.run([EmbeddingInput(tokens), EmbeddingInput(tokens, 2)])
    assert abs(float(one[0] - two[0])) > 1e-3


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_a_directory_and_its_gguf_file_give_equal_results(name: str, tmp_path: Path) -> None:
    checkpoint, path = CHECKPOINTS[name], tmp_path / "model.gguf"
    write_encoder(path, ENCODERS[checkpoint.family])
    write_encoder_checkpoint(tmp_path / "hf", checkpoint, GgufFile(path))
    batch = [EmbeddingInput(tokens) for tokens in sequences()]
    wanted = load(path, tmp_path / "wanted").run(batch)
    (tmp_path / "found").mkdir()
    graph = build_embedding_graph(HuggingFaceModel(tmp_path / "hf"), tmp_path / "found", exact=True).graph
    found = EmbeddingModel(graph, 512, ModelOptions(threads=1, quantize_activations=False)).run(batch)
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() < 1e-4 * np.abs(wanted).max()
