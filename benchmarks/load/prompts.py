"""Prompts of plain English from templates: text that a trained model can work with, and that no two prompts share."""

import random
from collections.abc import Iterator
from typing import Any, Final

from benchmarks.models import END_TOKEN

_NAMES: Final = [
    "Anna",
    "Ben",
    "Clara",
    "David",
    "Emma",
    "Frank",
    "Grace",
    "Henry",
    "Irene",
    "Jack",
    "Karen",
    "Leo",
    "Maria",
    "Nora",
    "Oscar",
    "Paula",
]
_NOUNS: Final = [
    "baker",
    "bridge",
    "candle",
    "captain",
    "clock",
    "doctor",
    "farmer",
    "garden",
    "harbour",
    "hotel",
    "island",
    "kitchen",
    "lantern",
    "letter",
    "library",
    "market",
    "mountain",
    "museum",
    "neighbour",
    "orchard",
    "painter",
    "piano",
    "river",
    "sailor",
    "school",
    "station",
    "teacher",
    "theatre",
    "village",
    "violin",
    "winter",
]
_ADJECTIVES: Final = [
    "old",
    "quiet",
    "narrow",
    "bright",
    "famous",
    "empty",
    "heavy",
    "gentle",
    "broken",
    "wooden",
    "distant",
    "curious",
    "busy",
    "cold",
]
_VERBS: Final = [
    "found",
    "repaired",
    "painted",
    "sold",
    "visited",
    "remembered",
    "described",
    "opened",
    "crossed",
    "borrowed",
    "measured",
    "lost",
]
_ENDINGS: Final = (
    "before the rain came", "after a long journey", "without saying a word", "because nobody else would",
    "while the others were asleep", "on the first day of spring", "for less than twenty coins", "in front of the crowd",
    "with the help of two friends", "although it was already dark",
)  # fmt: skip
_TASKS: Final = (
    "Write a short story about the {} and the {}.",
    "Describe a day in the life of the {} who owned the {}.",
    "Invent a letter from the {} to the {}.",
    "Explain what could happen next to the {} and the {}.",
)
_QUOTING_TASKS: Final = (
    "Repeat the text above word for word.",
    "Correct the spelling of the text above and write it out again, without any other change.",
    "Copy out all sentences of the text above, one after another.",
)


def passage(chance: random.Random, words: int) -> str:
    """Sentences of about `words` words."""
    text: list[str] = []
    for sentence in _sentences(chance):
        text += sentence.split()
        if len(text) >= words:
            break
    return " ".join(text[:words])


def question(chance: random.Random, words: int) -> str:
    """A passage and a creative task about it, of about `words` words, whose answer nothing predicts."""
    task = chance.choice(_TASKS).format(chance.choice(_NOUNS), chance.choice(_NOUNS))
    return f"{passage(chance, max(words - len(task.split()), 4))}\n\n{task}"


def quoting_question(chance: random.Random, words: int, index: int) -> str:
    """A passage and a task whose answer quotes it."""
    return f"{passage(chance, words)}\n\n{_QUOTING_TASKS[index % len(_QUOTING_TASKS)]}"


def chat_request(model: str, messages: str | list[dict[str, str]], tokens: int) -> dict[str, Any]:
    """Greedy, and exactly `tokens` tokens long. `messages`: those of the conversation, or the one of the user."""
    if isinstance(messages, str):
        messages = [{"role": "user", "content": messages}]
    return {"model": model, "messages": messages} | _settings(tokens)


def token_request(model: str, prompt: list[int], tokens: int) -> dict[str, Any]:
    """The same for a prompt of token ids, which goes to the path of text completions."""
    return {"model": model, "prompt": prompt} | _settings(tokens)


def _settings(tokens: int) -> dict[str, Any]:
    fields: dict[str, Any] = {"max_tokens": tokens, "temperature": 0, "logit_bias": {str(END_TOKEN): -100}}
    return fields | {"stream_options": {"include_usage": True}}


def _sentences(chance: random.Random) -> Iterator[str]:
    while True:
        yield (
            f"{chance.choice(_NAMES)} {chance.choice(_VERBS)} the {chance.choice(_ADJECTIVES)} {chance.choice(_NOUNS)} "
            f"near the {chance.choice(_ADJECTIVES)} {chance.choice(_NOUNS)} {chance.choice(_ENDINGS)}."
        )
