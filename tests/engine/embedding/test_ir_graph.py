"""Embedding models in OpenVINO's IR format, against NumPy."""

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from forefront.catalog.loaders.ir_model import load_ir
from forefront.catalog.sources.source import SourceError
from forefront.chat.local.loading import EmbeddingParts
from forefront.engine.embedding.embedding_model import EmbeddingInput, EmbeddingModel
from forefront.engine.model.model import ModelOptions
from forefront.engine.model.openvino_import import ops, ov

VOCABULARY, WIDTH = 40, 8
RNG = np.random.default_rng(0)
TABLE = RNG.standard_normal((VOCABULARY, WIDTH), np.float32)
TYPES = RNG.standard_normal((2, WIDTH), np.float32)
PROJECTION = RNG.standard_normal((WIDTH, WIDTH), np.float32)
Floats = npt.NDArray[np.float32]


def write_ir(folder: Path, output: str = "last_hidden_state", pooling: str | None = None) -> None:
    """One layer of attention without heads, over the embeddings of tokens and segments."""
    folder.mkdir()
    names = ("input_ids", "attention_mask", "token_type_ids")
    inputs = [ops.parameter([-1, -1], ov.Type.i64, name=name) for name in names]
    for node, name in zip(inputs, names, strict=True):
        node.output(0).get_tensor().set_names({name})
    zero = ops.constant(np.int64(0))
    x = ops.add(ops.gather(ops.constant(TABLE), inputs[0], zero), ops.gather(ops.constant(TYPES), inputs[2], zero))
    visible = ops.convert(ops.unsqueeze(inputs[1], ops.constant(np.int64(1))), ov.Type.f32)
    penalty = ops.multiply(ops.subtract(visible, ops.constant(np.float32(1))), ops.constant(np.float32(1e9)))
    weights = ops.softmax(ops.add(ops.matmul(x, x, False, True), penalty), -1)
    hidden = ops.matmul(ops.matmul(weights, x, False, False), ops.constant(PROJECTION), False, False)
    hidden.output(0).get_tensor().set_names({output})
    ov.save_model(ov.Model([ops.result(hidden)], inputs, "model"), folder / "openvino_model.xml", False)
    (folder / "config.json").write_text(json.dumps({"max_position_embeddings": 64, "vocab_size": VOCABULARY}))
    pipeline = Tokenizer(models.WordLevel({chr(97 + n): n for n in range(VOCABULARY)}, "a"))
    pipeline.pre_tokenizer = pre_tokenizers.Whitespace()
    pipeline.post_processor = processors.TemplateProcessing(
        single="b $A c", pair="b $A c $B c", special_tokens=[("b", 1), ("c", 2)]
    )
    pipeline.save(str(folder / "tokenizer.json"))
    if pooling is not None:
        kinds = [("Transformer", ""), ("Pooling", "1_Pooling"), ("Normalize", "2_Normalize")]
        modules = [{"type": f"sentence_transformers.models.{kind}", "path": path} for kind, path in kinds]
        (folder / "modules.json").write_text(json.dumps(modules))
        (folder / "1_Pooling").mkdir()
        (folder / "1_Pooling" / "config.json").write_text(json.dumps({f"pooling_mode_{pooling}": True}))


def expected(tokens: list[int], pooling: str | None) -> Floats:
    x = TABLE[tokens] + TYPES[0]
    scores = x @ x.T
    weights = np.exp(scores - scores.max(1, keepdims=True))
    hidden = weights / weights.sum(1, keepdims=True) @ x @ PROJECTION
    return np.asarray({"cls_token": hidden[0], "lasttoken": hidden[-1]}.get(pooling or "", hidden.mean(0)), np.float32)


@pytest.mark.parametrize("output", ["last_hidden_state", "token_embeddings"])
@pytest.mark.parametrize("pooling", [None, "mean_tokens", "cls_token", "lasttoken"])
def test_vectors_are_those_of_numpy(tmp_path: Path, output: str, pooling: str | None) -> None:
    write_ir(tmp_path / "ir", output, pooling)
    parts = load_ir(tmp_path / "ir")
    assert isinstance(parts, EmbeddingParts)
    assert parts.tokenizer.frame is not None
    assert (parts.tokenizer.frame.before, parts.tokenizer.frame.after) == ((1,), (2,))
    model = EmbeddingModel(parts.graph, parts.facts.context_length, ModelOptions(threads=1))
    batch = [[int(n) for n in RNG.integers(0, VOCABULARY, length)] for length in (3, 17, 1, 30)]
    found = model.run([EmbeddingInput(tokens) for tokens in batch])
    wanted = np.stack([expected(tokens, pooling) for tokens in batch])
    assert np.abs(found - wanted).max() < 1e-4


def test_unservable_models_are_named(tmp_path: Path) -> None:
    write_ir(tmp_path / "ir", pooling="max_tokens")
    with pytest.raises(SourceError, match="pooling is pooling_mode_max_tokens"):
        load_ir(tmp_path / "ir")
