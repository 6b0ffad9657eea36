"""The bound of a body's parsed form: never below what parsing takes, and near it for what people send."""

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forefront.server.http.body_memory import BodyMemory
from forefront.server.http.parsed_size import MAX_MEMBERS, parsed_size, small_parsed_size
from forefront.wire.parsing.json_reader import read_json

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


ALL = 2**60


def size(text: bytes, piece: int = 2**18) -> int:
    """The bound of a text that is counted in pieces of so many bytes."""
    return parsed_size(text, ALL, piece)


def counted(text: bytes) -> int:
    """The same, one byte after the other."""
    objects = quotes = 0
    in_string = escaped = False
    for byte in text.decode("latin-1"):
        if byte == '"' and not escaped:
            in_string, quotes = not in_string, quotes + 1
        elif not in_string:
            objects += {",": 40, ":": 130, "[": 192, "{": 184}.get(byte, 0)
        escaped = byte == "\\" and not escaped
    return objects + 25 * quotes


def taken(text: bytes) -> int:
    """Bytes that the parsed value takes."""
    tracemalloc.start()
    value = read_json(text)
    current, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del value
    return current


@pytest.mark.parametrize("part", HOSTILE)
def test_the_estimate_is_never_below_the_memory_used(part: str) -> None:
    text = f'{{"x":[{part * (100_000 // len(part))}0]}}'.encode()
    assert size(text) >= taken(text)
    assert small_parsed_size(text) >= taken(text)


def test_large_objects_with_many_names() -> None:
    for count in (5, 6, 10, 11, 5461, 5462, 20_000):
        text = json.dumps({"x": {f"{number:x}": 0 for number in range(count)}}).encode()
        assert size(text) + 1000 >= taken(text)


def test_the_longest_conversation_with_calls_has_few_enough_members() -> None:
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    tools = [{"type": "function", "function": {"name": "f", "parameters": {}}}] * 128
    messages = [{"role": "assistant", "content": "", "tool_calls": [call]}] * 4096
    assert size(json.dumps({"messages": messages, "tools": tools}).encode()) < BodyMemory().largest


def test_too_many_members_exceed_every_bound() -> None:
    for names in (lambda number: number, lambda _: 0):
        most = ",".join(f'"{names(number)}":{{}}' for number in range(MAX_MEMBERS - 1))
        assert size(f'{{"x":{{{most}}}}}'.encode()) < 2**30
        assert size(f'{{"x":{{{most},"{":" * 9}":0}}}}'.encode()) > ALL


def test_one_wide_character_widens_all() -> None:
    for wide in ("🤠", "你", "é"):
        for escaped in (True, False):
            text = json.dumps({"x": "a" * 100_000 + wide}, ensure_ascii=escaped).encode()
            assert size(text) >= taken(text)


def test_parsed_size_of_prose_and_code_is_close_to_their_length() -> None:
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
    assert size(text) <= BodyMemory().largest


def test_a_batch_of_token_ids_fits() -> None:
    text = json.dumps({"model": "x", "prompt": [[12_345] * 3000] * 256}, separators=(",", ":")).encode()
    assert size(text) <= BodyMemory().largest


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_the_count_does_not_depend_on_the_pieces(data: Any) -> None:
    inner = st.text() | st.integers()
    value = data.draw(st.recursive(inner, lambda one: st.lists(one) | st.dictionaries(st.text(), one)))
    text = json.dumps([value] * 50, ensure_ascii=data.draw(st.booleans())).encode(errors="replace")
    assert size(text, data.draw(st.integers(1, len(text)))) + 500 >= taken(text)


@given(st.lists(st.sampled_from(['"', "\\", "\\\\\\", '\\"', ",", "[", "{", ":", "x", "x" * 63, "[" * 64])))
def test_structure_outside_strings_is_counted(parts: list[str]) -> None:
    text = "".join(parts).encode()
    assert size(text) - len(text) in range(counted(text) - 25, counted(text) + 1)


def test_pieces_of_any_size_keep_strings_and_values_apart() -> None:
    text = json.dumps({"a": 'x\\"[[[[,,,,' * 20, "b": "\\" * 7, "c": "{" * 100}).encode()
    whole = size(text)
    for piece in range(1, len(text)):
        assert whole - 2000 <= size(text, piece) <= whole  # of 30,000, were all of it outside strings
    assert whole < len(text) + 1000


def test_bytes_beyond_the_bound_are_not_read() -> None:
    """A text that is too large costs no more than one that is not."""
    assert parsed_size(b"[" * 2**24, 2**20) < 2**20 + 193 * 2**18 + 2**24


@pytest.mark.parametrize("piece", [128, 1000, 2**18])
def test_long_integers_count_and_digits_in_strings_do_not(piece: int) -> None:
    integer = b"1" * 4000
    assert size(b"[" + integer + b"]", piece) > 20 * 2**15
    assert size(b'["' + integer + b'"]', piece) < 5000
    assert size(b"[" + b"1" * 100 + b"]", piece) < 2**10
