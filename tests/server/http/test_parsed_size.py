"""The bound of a body's parsed form: never below what parsing takes, and near it for what people send."""

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forefront.server.http.body_memory import Intake
from forefront.server.http.parsed_size import ParsedSize, small_parsed_size
from forefront.wire.json_reader import read_json

HOSTILE = [
    *(
        "{},",
        "[],",
        "[[[[]]]],",
        "[0],",
        '{"a":0},',
        '{"a":{}},',
        '{"a":{"b":{"c":[]}}},',
        "0,",
        "1.5,",
        "999,",
        "-1e9,",
    ),
    *(
        '"",',
        '"ab",',
        '"\\u00e9",',
        '"\\ud83e\\udd20",',
        '"é",',
        '"🤠",',
        "null,",
        '{"a":0,"b":0,"c":0,"d":0,"e":0,"f":0},',
    ),
    *('[{"role":"user","content":""}],', " ", '"\\\\",', '"\\"[[[[[[",'),
]


def size(text: bytes, *cuts: int) -> int:
    """The bound of a text that comes in parts."""
    counted = ParsedSize()
    for start, end in zip((0, *cuts), (*cuts, len(text)), strict=True):
        counted.add(text[start:end])
    return counted.total


def taken(text: bytes) -> int:
    """Bytes that the parsed value takes."""
    tracemalloc.start()
    value = read_json(text)
    current, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del value
    return current


@pytest.mark.parametrize("part", HOSTILE)
def test_it_is_never_below_what_is_taken(part: str) -> None:
    text = f'{{"x":[{part * (100_000 // len(part))}0]}}'.encode()
    assert size(text) >= taken(text)
    assert small_parsed_size(text) >= taken(text)


def test_large_objects_with_many_names() -> None:
    for count in (5, 6, 10, 11, 5461, 5462, 20_000):
        text = json.dumps({"x": {f"{number:x}": 0 for number in range(count)}}).encode()
        assert size(text) + 1000 >= taken(text)


def test_one_wide_character_widens_all() -> None:
    for wide in ("🤠", "你", "é"):
        for escaped in (True, False):
            text = json.dumps({"x": "a" * 100_000 + wide}, ensure_ascii=escaped).encode()
            assert size(text) >= taken(text)


def test_prose_and_code_take_little_more_than_their_length() -> None:
    code = 'def f(x: dict[str, int]) -> list[int]:\n    return [x["a"], x["b"], {"c": 1}]\n' * 1000
    text = json.dumps({"model": "x", "messages": [{"role": "user", "content": code}]}).encode()
    assert size(text) < 1.1 * len(text)


@pytest.mark.parametrize(
    ("count", "content"),
    [
        (1, "a" * 8_388_000),
        (1, "🤠" * 2_097_000),
        (4096, "Hello, it's [me]: 🤠. " * 77),
        (4096, '{"a": [1, 2], "b": ""}\n' * 60),
    ],
)
def test_large_prompts_fit(count: int, content: str) -> None:
    messages = [{"role": "user", "content": content}] * count
    text = json.dumps({"model": "x", "messages": messages}, ensure_ascii=False).encode()
    assert len(text) > 7 * 2**20
    assert size(text) <= Intake().largest


def test_a_batch_of_token_ids_fits() -> None:
    text = json.dumps({"model": "x", "prompt": [[12_345] * 3000] * 256}, separators=(",", ":")).encode()
    assert size(text) <= Intake().largest


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_it_holds_wherever_the_text_is_cut(data: Any) -> None:
    inner = st.text() | st.integers()
    value = data.draw(st.recursive(inner, lambda one: st.lists(one) | st.dictionaries(st.text(), one)))
    text = json.dumps([value] * 50, ensure_ascii=data.draw(st.booleans())).encode(errors="replace")
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    assert size(text, *cuts) + 500 >= taken(text)


def test_cuts_between_every_two_bytes_keep_strings_and_values_apart() -> None:
    text = json.dumps({"a": 'x\\"[[[[,,,,' * 20, "b": "\\" * 7, "c": "{" * 100}).encode()
    whole = size(text)
    for cut in range(len(text)):
        assert size(text, cut) <= whole + 2000  # of 30,000, were all of it outside of strings
    assert whole < len(text) + 1000
