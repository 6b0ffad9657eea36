"""Streaming text never shows half a character."""

from hypothesis import given
from hypothesis import strategies as st

from forefront.chat.output.detokenizer import Detokenizer

BYTES = [bytes([value]) for value in range(256)]


@given(st.text())
def test_text_split_into_single_bytes_is_restored(text: str) -> None:
    detokenizer = Detokenizer(BYTES)
    assert "".join(detokenizer.feed(byte) for byte in text.encode()) == text


@given(st.binary())
def test_any_bytes_decode_to_whole_characters(data: bytes) -> None:
    detokenizer = Detokenizer(BYTES)
    shown = "".join(detokenizer.feed(byte) for byte in data)
    assert data.decode(errors="replace").startswith(shown)
    shown.encode()


def test_an_unfinished_character_at_the_end_is_not_shown() -> None:
    detokenizer = Detokenizer(BYTES)
    assert "".join(detokenizer.feed(byte) for byte in "ab€".encode()[:-1]) == "ab"


def test_a_token_outside_the_vocabulary_shows_nothing() -> None:
    assert Detokenizer(BYTES).feed(999) == ""
