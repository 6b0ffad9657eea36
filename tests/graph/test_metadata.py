"""Metadata and tensors that contradict each other are one sentence, for every family."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forefront.graph.block_formats import FORMATS
from forefront.graph.build import build_graph
from forefront.graph.errors import ModelFileError
from forefront.graph.gguf.gguf_file import GgufFile
from forefront.graph.model_file import Tensor
from tests.support.models.random_decoder import ALIGNED, FAMILIES, write_decoder

CHOSEN = [
    *(
        "llama, YaRN",
        "gemma3",
        "gemma4, per layer",
        "phi3, long context",
        "granite",
        "olmo3",
        "stablelm 12b",
        "cohere2",
        "hunyuan-dense",
        "apertus",
    ),
]
DAMAGE = ["away", "renamed", "longer", "flat", "nan", "IQ1_S"]
VALUES = st.sampled_from(
    [
        0,
        1,
        2,
        3,
        7,
        64,
        2**31,
        2**63,
        -1,
        0.0,
        -1.5,
        1e-30,
        1e30,
        math.nan,
        math.inf,
        True,
        "",
        "yarn",
        [],
        [1, 2],
        None,
    ]
)
CHANGES = st.one_of(
    st.tuples(st.just("value"), st.integers(0, 99), VALUES),
    st.tuples(st.just("tensor"), st.integers(0, 99), st.sampled_from(DAMAGE)),
)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One file of each family."""
    folder = tmp_path_factory.mktemp("families")
    for number, name in enumerate(CHOSEN):
        whole = FAMILIES[name].shape
        short = whole if name.startswith("gemma4") else replace(whole, layers=2)  # its metadata has lists of layers
        shape, quant = (ALIGNED, "Q4_K") if number == 0 else (short, "F32")
        write_decoder(folder / f"{number}.gguf", FAMILIES[name], shape=shape, quant=quant)
    return {name: folder / f"{number}.gguf" for number, name in enumerate(CHOSEN)}


def change(file: GgufFile, kind: str, place: int, value: Any) -> None:
    """One thing in the file becomes another."""
    if kind == "value":
        keys = [key for key in file.metadata if not key.startswith("tokenizer.")]
        file.metadata[keys[place % len(keys)]] = value
        return
    name = list(file.tensors)[place % len(file.tensors)]
    tensor = file.tensors.pop(name)
    if value == "renamed":
        file.tensors[f"{name}s"] = tensor
    elif value == "longer":
        file.tensors[name] = replace(tensor, shape=(*tensor.shape[:-1], tensor.shape[-1] + 1))
    elif value == "flat":
        file.tensors[name] = replace(tensor, shape=(math.prod(tensor.shape),))
    elif value == "nan":
        file.tensors[name] = replace(tensor, data=np.full_like(tensor.data, 255))
    elif value == "IQ1_S":
        file.tensors[name] = Tensor(name, tensor.shape, FORMATS[19], tensor.data)


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(name=st.sampled_from(CHOSEN), changes=st.lists(CHANGES, min_size=1, max_size=3))
def test_a_contradiction_gives_a_short_error(
    files: dict[str, Path],
    tmp_path_factory: pytest.TempPathFactory,
    name: str,
    changes: list[tuple[str, int, Any]],
) -> None:
    file = GgufFile(files[name])
    for kind, place, value in changes:
        change(file, kind, place, value)
    with np.errstate(all="ignore"):
        try:
            build_graph(file, tmp_path_factory.mktemp("cache"), exact=False)
        except ModelFileError as error:
            assert "\n" not in str(error)
            assert len(str(error)) < 600


@pytest.mark.parametrize("kind", ["F32", "F16", "BF16", "Q8_0", "Q4_K", "MXFP4"])
@pytest.mark.parametrize("name", ["token_embd.weight", "blk.1.ffn_down.weight", "blk.0.attn_norm.weight"])
def test_invalid_numbers_are_refused(kind: str, name: str, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    write_decoder(path, FAMILIES["llama"], shape=ALIGNED, quant=kind)
    file = GgufFile(path)
    data = file.tensors[name].data[:].copy()
    data[-1, :] = 255
    file.tensors[name] = replace(file.tensors[name], data=data)
    if kind == "MXFP4" and name != "blk.0.attn_norm.weight":
        data[-1, :] = 254  # every scale of this format is a number; the largest is not the end of the server
        build_graph(file, tmp_path, exact=False)
        return
    with pytest.raises(ModelFileError, match=rf"tensor '{name}' has (scales|values) that are not finite"):
        build_graph(file, tmp_path, exact=False)


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("block_count", 3, r"has no tensor 'blk\.2\.attn_norm\.weight', which its architecture needs"),
        ("nextn_predict_layers", 2, "nextn_predict_layers is 2, but its block_count is 2"),
        ("embedding_length", 96, r"tensor 'token_embd\.weight' has the shape 256 x 288; its metadata implies 96 x 288"),
        ("attention.head_count", 5, "5 heads cannot share 2 heads of keys and values"),
        ("attention.value_length", 10, "values of another width than keys"),
        ("expert_count", 8, "mixture of experts"),
        ("rope.scaling.type", "sideways", "scaled by 'sideways'; none, linear, yarn, longrope are supported"),
        ("context_length", "long", r"unusable value 'long' for llama\.context_length"),
    ],
)
def test_reasons_are_named(files: dict[str, Path], tmp_path: Path, key: str, value: Any, reason: str) -> None:
    file = GgufFile(files["llama, YaRN"])
    file.metadata[f"llama.{key}"] = value
    with pytest.raises(ModelFileError, match=reason):
        build_graph(file, tmp_path, exact=False)
