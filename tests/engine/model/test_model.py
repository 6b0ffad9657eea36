"""The graph by itself: what idle tokens do to a step, and what they are there for."""

import ctypes
import random

import numpy as np
import pytest

from forefront.chat.local.loading import ModelParts
from forefront.engine.model.model import ModelOptions, PagedModel
from forefront.engine.model.padding import padded_size
from forefront.engine.model.step_inputs import SequenceInput

EXACT = ModelOptions(contexts=1, kv_precision="f32", quantize_activations=False)


def tokens(count: int) -> list[int]:
    return random.Random(count).choices(range(3, 500), k=count)


def live() -> float:
    """MiB that this process has of `malloc` and has not given back."""

    class Info(ctypes.Structure):
        _fields_ = tuple((name, ctypes.c_size_t) for name in "abcdefghij")

    library = ctypes.CDLL(None)
    library.mallinfo2.restype = Info
    return float(library.mallinfo2().h) / 2**20


def test_padded_widths_are_few_and_slightly_above_the_tokens() -> None:
    widths = {count: padded_size(count) for count in range(1, 641)}
    assert all(count <= wide <= count * 9 / 8 for count, wide in widths.items())
    assert all(widths[count] == count for count in [*range(1, 33), 64, 128, 256, 512])
    assert len(set(widths.values())) == 68


def test_idle_tokens_change_no_answer_and_no_block(tiny_parts: ModelParts) -> None:
    """41 tokens in the last blocks, all at once with idle ones, and in the first, cut such that there are none."""
    model = PagedModel(tiny_parts.graph, 2048, EXACT)
    prompt, last = tokens(41), [model.block_count - 2, model.block_count - 1]
    wide = model.run([SequenceInput(0, prompt, last)], [40], [1.0])
    assert wide.full.shape[0] == wide.log_sum.shape[0] == 1
    at_once = wide.full.copy()
    model.run([SequenceInput(0, prompt[:32], [0, 1])], [31], [1.0])
    assert np.allclose(model.run([SequenceInput(32, prompt[32:], [0, 1])], [8], [1.0]).full, at_once, atol=1e-3)
    # 33 sequences, three idle tokens: the next token of each, from what is in the blocks.
    crowd = [
        SequenceInput(41, [7], last),
        *(SequenceInput(0, [9], [2 + n]) for n in range(31)),
        SequenceInput(41, [7], [0, 1]),
    ]
    answers = model.run(crowd, [0, 32], [1.0, 1.0]).full
    assert np.allclose(answers[0], answers[1], atol=1e-3)


def test_a_model_does_not_keep_kernels_for_every_number_of_tokens(tiny_parts: ModelParts) -> None:
    """1.4 MiB for each number that it has seen: 33 MiB here, where 192 of them would be 260."""
    if not hasattr(ctypes.CDLL(None), "mallinfo2"):
        pytest.skip("only glibc tells")
    model = PagedModel(tiny_parts.graph, 2048, ModelOptions(contexts=1))
    model.run([SequenceInput(0, tokens(64), [0, 1])], [0], [1.0])
    before = live()
    for count in range(65, 257):
        model.run([SequenceInput(0, tokens(count), list(range(8)))], [0], [1.0])
    assert live() - before < 64


def test_a_model_does_not_keep_kernels_for_every_number_of_rows(tiny_parts: ModelParts) -> None:
    """0.14 MiB for each number that it has seen: 4 MiB here, where 192 of them would be 27."""
    if not hasattr(ctypes.CDLL(None), "mallinfo2"):
        pytest.skip("mallinfo2 is of glibc")
    model = PagedModel(tiny_parts.graph, 2048, ModelOptions(contexts=1))
    prompt = SequenceInput(0, tokens(256), list(range(8)))
    whole = model.run([prompt], list(range(256)), [1.0] * 256).full.copy()
    before = live()
    for count in range(65, 257):
        logits = model.run([prompt], list(range(count)), [1.0] * count)
        assert logits.full.shape[0] == logits.top.shape[0] == len(logits.log_sum) == count
        assert np.allclose(logits.full, whole[:count], atol=1e-3)
    assert live() - before < 12


def test_multi_token_steps_have_the_logits_of_single_steps(mini_parts: ModelParts) -> None:
    """As after a draft, with rounded activations, which magnify any other order of the sums in attention."""
    model = PagedModel(mini_parts.graph, 1024, ModelOptions(contexts=4))
    text, blocks = tokens(204), list(range(8))

    def logits(start: int, count: int) -> np.ndarray:
        new = SequenceInput(start, text[start : start + count], blocks)
        return model.run([new], list(range(count)), [1.0] * count).full.copy()

    logits(0, 200)
    at_once = logits(200, 4)
    single = np.concatenate([logits(200 + n, 1) for n in range(4)])
    assert np.abs(at_once - single).max() < 1e-3 * np.abs(single).max()
    model.close()
