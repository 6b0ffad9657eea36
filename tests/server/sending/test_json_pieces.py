"""JSON in pieces is the JSON of msgspec."""

import msgspec
import pytest

from forefront.server.sending import json_pieces
from forefront.server.sending.json_pieces import encode_in_pieces, encoded_size
from forefront.wire.tokens import DetokenizeResult, TokenizeResult

_TEXT = 'a"\\\n\x00é€😀'


@pytest.mark.parametrize("piece", [1, 2, 3, 100])
@pytest.mark.parametrize(
    "record",
    [
        DetokenizeResult(model="m", prompt=_TEXT * 3, content=""),
        TokenizeResult(model=_TEXT, count=7, max_model_len=9, tokens=[1, 22, 333, 4, 5, 66, 7]),
        TokenizeResult(model="m", count=0, max_model_len=9, tokens=[], token_strs=[]),
        TokenizeResult(model="m", count=3, max_model_len=9, tokens=[1, 2, 3], token_strs=[_TEXT, "", "b"]),
    ],
)
def test_pieces_are_the_whole(monkeypatch: pytest.MonkeyPatch, record: msgspec.Struct, piece: int) -> None:
    monkeypatch.setattr(json_pieces, "_PIECE", piece)
    assert encode_in_pieces(record) == msgspec.json.encode(record)


def test_the_size_counts_texts_and_lists() -> None:
    assert encoded_size(DetokenizeResult(model="m", prompt="x" * 100, content="x" * 100)) == 201
    assert encoded_size(TokenizeResult(model="m", count=2, max_model_len=9, tokens=[1, 2])) >= len("1,2")
