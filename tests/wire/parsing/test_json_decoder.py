"""Numbers have msgspec's values and errors, and none of them holds the interpreter lock."""

import threading
import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forefront.wire.errors import RequestError
from forefront.wire.parsing.json_decoder import decode_json
from forefront.wire.parsing.json_reader import read_json


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers())
def test_a_number_keeps_its_notation(number: float | int) -> None:
    assert decode_json(msgspec.json.encode([number]) if abs(number) < 2**63 else f"[{number}]") == [number]


@pytest.mark.parametrize("text", ["1e400", "-1e400", "1.", "01", "1e", "-", "1e99999999999999999999", "[1.5,]", "0x1"])
def test_the_errors_are_those_of_msgspec(text: str) -> None:
    errors = []
    for decode in (decode_json, msgspec.json.decode):
        with pytest.raises(msgspec.DecodeError) as caught:
            decode(text)
        errors.append((type(caught.value), str(caught.value)))
    assert errors[0] == errors[1]


@pytest.mark.parametrize("end", ["]", ""], ids=["whole", "broken off"])
def test_other_threads_run_while_numbers_are_read(end: str) -> None:
    """msgspec takes as long for each of these numbers as Python for ten to forty, in one call."""
    body = (f"[{','.join(['1e308'] * 100_000)}{end}").encode()
    turns = 0

    def read() -> None:
        try:
            read_json(body)
        except RequestError:
            assert not end

    thread = threading.Thread(target=read)
    thread.start()
    while thread.is_alive():
        turns += 1
        time.sleep(0.0001)
    assert turns > 2
