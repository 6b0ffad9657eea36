"""Many wordings from few parts: every combination of a frame with what fills it."""

import itertools
from collections.abc import Sequence

from training.dialogues.side import Side


def every(frames: Sequence[str], **slots: Sequence[str]) -> tuple[str, ...]:
    """Each frame with each filling of the named `{slots}` that it has; other braces stay for later."""
    made = []
    for frame in frames:
        used = [slot for slot in slots if "{" + slot + "}" in frame]
        for filling in itertools.product(*(slots[slot] for slot in used)):
            text = frame
            for slot, part in zip(used, filling, strict=True):
                text = text.replace("{" + slot + "}", part)
            made.append(text[0].upper() + text[1:])
    return tuple(dict.fromkeys(made))


def how_to(*doings: str) -> tuple[str, ...]:
    """Questions that ask how something is done (`start the server`)."""
    return every(
        (
            "How do I {x}?", "How can I {x}?", "How would I {x}?", "How to {x}?", "Tell me how to {x}.", "Show me how to {x}.",
            "Explain how to {x}.", "I want to {x}. How?", "I would like to {x}. How do I do that?", "What do I do to {x}?", "Is there a way to {x}?",
            "What is the way to {x}?", "How does one {x}?", "Do you know how to {x}?",
        ),
        x=doings,
    )  # fmt: skip


_IMPERATIVES = set(
    """
    write give tell show find create help plan add calculate work take subtract multiply compute send set search email mail
    look explain describe cook make sort put order arrange count extract convert change fix copy name return turn read fill
    summarize translate compare debug remind inform introduce repeat capitalize echo say let form list
    """.split()
)


def polite(side: Side, request: str) -> str:
    """A request as people type it: with or without courtesies, capitals and a full stop."""
    word = request.split(maxsplit=1)[0].lower() if request.strip() else ""
    if word in _IMPERATIVES and side.chance(0.3):
        lead = side.choice(
            [
                "please ",
                "can you ",
                "could you ",
                "would you ",
                "can you please ",
                "I want you to ",
                "now ",
                "you must ",
            ]
        )
        asked = lead.startswith(("can", "could", "would"))
        request = lead[0].upper() + lead[1:] + request[0].lower() + request[1:]
        if asked and request.endswith("."):
            request = request[:-1] + "?"
    elif word in _IMPERATIVES and request.endswith(".") and side.chance(0.15):
        request = request[:-1] + side.choice([", please.", " please", ", thanks.", ", thank you."])
    elif side.chance(0.12) and word:
        request = side.choice(["Hey, ", "Hi, ", "Ok, ", "One question: ", "So, "]) + request[0].lower() + request[1:]
    if request.endswith((".", "?")) and side.chance(0.1):
        request = request[:-1]
    if side.chance(0.1) and request:
        request = request[0].lower() + request[1:]
    return request
