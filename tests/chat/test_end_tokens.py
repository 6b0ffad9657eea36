"""The end of a turn is found by its name, or from what the template writes after an answer."""

import pytest

from forefront.chat.end_tokens import find_turn_ends
from forefront.chat.prompt.chat_template import ChatTemplate

CONTROL = {"<|user|>": 1, "<|assistant|>": 2, "<|turn_is_over|>": 3, "<|eot_id|>": 4, "</s>": 5, "<|turn": 6}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% endfor %}", {1, 4}),
        ("{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|turn_is_over|>{% endfor %}", {3, 4}),
        ("{% for m in messages %}{{ m.content }}{{ eos_token if m.role == 'assistant' }}{% endfor %}", {4, 5}),
        ("{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}", {4}),
        ("{{ raise_exception('no') }}", {4}),
        ("{{ messages[0].content }}", {4}),
    ],
)
def test_the_end_is_found(source: str, expected: set[int]) -> None:
    assert find_turn_ends(ChatTemplate(source, eos_token="</s>"), CONTROL) == expected


def test_without_a_template_only_names_are_available() -> None:
    assert find_turn_ends(None, CONTROL) == {4}
