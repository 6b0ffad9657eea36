"""Reading JSON from strangers."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forefront.wire.errors import ERRORS, RequestError
from forefront.wire.parsing.json_reader import read_json

MB = 1_000_000
TOO_DEEP = "Invalid JSON: it nests too deep."
OUT_OF_RANGE = "Invalid JSON at line 1, column 7: the number is out of range."


def refusal(body: bytes) -> str:
    with pytest.raises(RequestError) as caught:
        read_json(body)
    assert (ERRORS[caught.value.code].status, caught.value.code, caught.value.param) == (400, "invalid_json", None)
    return caught.value.message


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"[1,]", [1]),
        (b'{"a": 1,}', {"a": 1}),
        (b'{"a": [1, {"b": 2, } , ] ,\n}', {"a": [1, {"b": 2}]}),
        (b'{"a": ",]", "b": "\\",}",}', {"a": ",]", "b": '",}'}),
        (b'["",]', [""]),
        (b"[[],]", [[]]),
        (b"[null,]", [None]),
    ],
)
def test_trailing_commas_are_accepted(body: bytes, value: Any) -> None:
    assert read_json(body) == value


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (rb'"\ud83d"', "\ufffd"),
        (rb'"\uDE00 x"', "\ufffd x"),
        (rb'{"\ud83d": "a\ud83d\ud83d\ude00\ude00"}', {"\ufffd": "a\ufffd\N{GRINNING FACE}\ufffd"}),
        (rb'["\\ud83d", "\\\ud83d", "\n\ud83d\n"]', ["\\ud83d", "\\\ufffd", "\n\ufffd\n"]),
        (rb'["\ud83d\u0041",]', ["\ufffdA"]),
    ],
)
def test_a_lone_surrogate_is_a_replacement_character(body: bytes, value: Any) -> None:
    assert read_json(body) == value


def test_a_byte_order_mark_is_ignored() -> None:
    mark = b"\xef\xbb\xbf"
    assert read_json(mark + b'{"a": 1}') == {"a": 1}
    assert read_json(mark + b"[1,]") == [1]
    assert refusal(mark + mark + b"{}").startswith("Invalid JSON at line 1, column 1")


def test_an_empty_body_is_called_empty() -> None:
    assert refusal(b"") == refusal(b"\xef\xbb\xbf") == "The body is empty: send a JSON object."


@given(st.lists(st.sampled_from(["\ud83d", "\ude00", "\\", '"', "a", "é", "u"])))
def test_any_text_of_utf_16_units_is_taken(units: list[str]) -> None:
    text = "".join(units)
    expected = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert read_json(json.dumps([text]).encode()) == [expected]


def test_a_large_body_with_a_lone_surrogate_is_refused() -> None:
    assert refusal(b'["' + b"x" * MB + rb'\ud83dxxxxxxxxxxxx"]').endswith("surrogate pair.")
    assert refusal(b'["' + b"x" * MB + rb'\ud83d"]') == "Invalid JSON: half of a surrogate pair."


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"[,]", "Invalid JSON at line 1, column 2: expecting value."),
        (b"{,}", "Invalid JSON at line 1, column 2: expecting property name enclosed in double quotes."),
        (b"[1,,]", "Invalid JSON at line 1, column 4: expecting value."),
        (b"[1,,2]", "Invalid JSON at line 1, column 4: expecting value."),
        (b'{"a":,}', "Invalid JSON at line 1, column 6: expecting value."),
        (b"1,", "Invalid JSON at line 1, column 2: extra data."),
        (b"{'a': 1}", "Invalid JSON at line 1, column 2: expecting property name enclosed in double quotes."),
        (b'{"a": 1 /* x */}', "Invalid JSON at line 1, column 9: expecting ',' delimiter."),
        (b'{"a": 1} // x', "Invalid JSON at line 1, column 10: extra data."),
        (b'{\n  "a": 1\n  "b": 2\n}', "Invalid JSON at line 3, column 3: expecting ',' delimiter."),
        (b'{"a" 1}', "Invalid JSON at line 1, column 6: expecting ':' delimiter."),
        (b'{"a": 1', "Invalid JSON at line 1, column 8: expecting ',' delimiter."),
        (b'{"a": "x', "Invalid JSON at line 1, column 7: unterminated string."),
        (b'{"a": "x\ny"}', "Invalid JSON at line 1, column 9: invalid control character."),
        (b'{"a": NaN}', "Invalid JSON at line 1, column 7: NaN is not a number."),
        (b'["NaN",\n -Infinity]', "Invalid JSON at line 2, column 2: -Infinity is not a number."),
        (b'{"a": 1e400}', OUT_OF_RANGE),
        (b'{"a": ' + b"1" * 5000 + b"}", OUT_OF_RANGE),
        (b'{"a":\n [1e999, 2]}', "Invalid JSON at line 2, column 3: the number is out of range."),
        (b"[" * 100_000, TOO_DEEP),
        (b'{"a":' * 100_000, TOO_DEEP),
        (b"[" * 100_000 + b"]" * 100_000, TOO_DEEP),
        (b'"\xff"', "The body is not UTF-8 at line 1, column 2 (byte 1)."),
        (b'"\xed\xa0\x80"', "The body is not UTF-8 at line 1, column 2 (byte 1)."),
    ],
)
def test_invalid_json_is_refused(body: bytes, message: str) -> None:
    assert refusal(body) == message


def test_a_trailing_comma_does_not_move_the_error_position() -> None:
    assert refusal(b'{"a": [1,],\n "b": tru}') == "Invalid JSON at line 2, column 7: expecting value."


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
)


@given(JSON, st.booleans(), st.sampled_from([None, 2]))
def test_agrees_with_the_standard_library(value: Any, ascii_only: bool, indent: int | None) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    assert read_json(text.encode()) == json.loads(text) == value


@given(JSON)
def test_trailing_commas_anywhere(value: Any) -> None:
    text = json.dumps([value, {"last": value}], separators=(",", ":"))
    assert read_json((text[:-2] + ",} ,\n]").encode()) == json.loads(text)


@given(st.binary() | st.text('[]{},:"\\ aN1-').map(str.encode))
def test_any_bytes_parse_or_give_one_error(body: bytes) -> None:
    try:
        read_json(body)
    except RequestError as error:
        assert error.code == "invalid_json"


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    "body",
    [
        b"," * MB,
        b"[" + b"1," * (MB // 2),
        b'"' * MB,
        b'\\"' * (MB // 2),
        b'"' + b"\\" * MB,
        b'["\\' * (MB // 3),
        b"[" + b" " * MB,
        b"[1" + (b"," + b" " * 999) * 1000,
        b"[1,[" * (MB // 4) + b"],]" * 1000,
        b"NaN" * (MB // 3),
        b"-" * MB,
        b"Infinit" * (MB // 7),
        b"1" * MB,
        b"[1," + b"\n" * MB + b"x",
        b"[,]" * (MB // 3),
        b'"' + b"\xc3\xa9" * (MB // 2),
        b'["' + rb"\ud83d" * (MB // 6) + b'", 1e999]',
        b"[" + b"1," * (MB // 2) + b"1e999]",
        b"[" + b"1," * (MB // 8) + b"1e999]",
    ],
)
def test_malicious_bodies_take_linear_time(body: bytes) -> None:
    # Quadratic time would be many minutes here; linear time is a fraction of a second.
    refusal(body)


def test_a_large_body_that_breaks_off_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's reader, which names what it expected, would hold the interpreter lock for twice the time."""
    monkeypatch.delattr(json, "loads")
    text = b"[" + b'"abcd",' * (MB // 7)
    assert refusal(text) == f"Invalid JSON at line 1, column {len(text) + 1}: the text ends too early."


def test_large_bodies_are_read_strictly() -> None:
    text = b'["' + b"x" * MB + b'",]'
    assert refusal(text) == f"Invalid JSON at line 1, column {len(text)}: trailing comma in array."


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (rb'\ud83d"]', "half of a surrogate pair"),
        (rb'\u00e9"', "the text ends too early"),
        (rb"\u00e9 abc", "the text ends too early"),
        (rb"\u12", "the text ends too early"),
    ],
)
def test_only_half_of_a_pair_is_named_so(end: bytes, reason: str) -> None:
    assert refusal(b'["' + b"x" * MB + end).endswith(f": {reason}.")
