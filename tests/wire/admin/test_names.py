"""What names of keys and models may hold."""

import sys
import unicodedata

import pytest

from forefront.wire.admin.parse import check_new_key, convert_or_raise, parse_new_key
from forefront.wire.admin.records import NewKey
from forefront.wire.errors import ERRORS, RequestError

_UNSEEN = {"Cc", "Cf", "Zl", "Zp", "Cs", "Co", "Cn"}


def refusal(**fields: object) -> str | None:
    """The field that is refused, if one is."""
    try:
        check_new_key(convert_or_raise({"name": "x"} | fields, NewKey))
    except RequestError as error:
        assert ERRORS[error.code].status == 422
        return error.param
    return None


def test_every_character_that_cannot_be_seen_is_refused() -> None:
    for number in range(sys.maxunicode + 1):
        char = chr(number)
        name = f"a{char}b"
        if unicodedata.category(char) in _UNSEEN:
            if number < 0x3000 or number % 997 == 0 or unicodedata.category(char) == "Cf":
                assert refusal(name=name) == "name", hex(number)
                assert (refusal(models=["x", name]) or "").startswith("models["), hex(number)
        elif number < 0x3000 or number % 97 == 0:
            assert refusal(name=name) is None, hex(number)


@pytest.mark.parametrize("space", [" ", "\u00a0", "\u2003", "\u3000", "\u1680"])
def test_whitespace_is_separate_from_other_characters(space: str) -> None:
    assert refusal(name=f"a{space}b") is None
    for name in (space, f"a{space}", f"{space}a", f"a{space}{space}b", f"a{space} b", f"a {space}b"):
        assert refusal(name=name) == "name"
        assert refusal(models=[name]) == "models[0]"


@pytest.mark.parametrize("name", ["ключ", "鍵 一", "مفتاح", "키", "clé d’été", "कुंजी", "🔑", "a"])
def test_names_of_all_scripts_are_taken(name: str) -> None:
    assert refusal(name=name, models=[name]) is None


def test_a_lone_surrogate_is_not_text() -> None:
    with pytest.raises(RequestError) as caught:
        parse_new_key(b'{"name": "a\\ud800b"}')
    assert ERRORS[caught.value.code].status in (400, 422)
