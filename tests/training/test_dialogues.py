"""The generator: answers pass their own checks, wrong ones do not, and the evaluation shares nothing with training."""

from itertools import pairwise
from pathlib import Path

import pytest

from forefront.chat.prompt.chat_template import ChatTemplate
from training import dialogues
from training.dialogues import AREAS, Side
from training.render import plain_messages

TEMPLATE = Path("training/chat_template.jinja")


@pytest.mark.parametrize("held_out", [False, True])
@pytest.mark.parametrize("area", AREAS)
def test_every_answer_passes_its_check_and_nonsense_fails(area: str, held_out: bool) -> None:
    side = Side(3, held_out=held_out)
    made = [AREAS[area].make(side) for _ in range(200)]
    assert all(dialogue.check(dialogue.answer) for dialogue in made)
    assert not any(dialogue.check("Zzz") for dialogue in made)
    assert not any(dialogue.check("") for dialogue in made)


@pytest.mark.parametrize("area", ["recipes", "arithmetic", "text work", "memory", "JSON", "tools"])
def test_the_answer_to_another_question_is_rarely_right(area: str) -> None:
    side = Side(4, held_out=True)
    made = [AREAS[area].make(side) for _ in range(200)]
    mistaken = sum(before.check(after.answer) for before, after in pairwise(made))
    assert mistaken <= 20


def test_no_question_of_the_evaluation_is_seen_in_training() -> None:
    seen = {dialogue.messages[-1]["content"] for dialogue in _mixed(held_out=False, count=8000)}
    question = [d for d in _mixed(held_out=True, count=1500) if d.area not in ("tools", "everything else")]
    shared = [d.messages[-1]["content"] for d in question if d.messages[-1]["content"] in seen]
    assert not shared


def _mixed(*, held_out: bool, count: int) -> list[dialogues.Dialogue]:
    side = Side(5, held_out=held_out)
    return [dialogues.make(side) for _ in range(count)]


def test_the_chat_template_writes_what_the_model_was_trained_on() -> None:
    template = ChatTemplate(TEMPLATE.read_text())
    side = Side(6, held_out=False)
    for _ in range(300):
        dialogue = dialogues.make(side)
        plain = plain_messages(dialogue.messages, dialogue.tools)
        expected = "".join(f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in plain)
        assert template.render(plain) == expected + "<|im_start|>assistant\n"
