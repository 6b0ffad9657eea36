"""System prompts: the same content in another voice."""

import re

from training.dialogues import about, arithmetic, memory, recipes, talk, text_work
from training.dialogues.dialogue import Dialogue, system
from training.dialogues.side import Side
from training.dialogues.wordings import every

AREA = "system prompt"

_ROLE = (
    "You are {x}.", "Talk like {x}.", "Answer as {x} would.", "Speak like {x} in every answer.", "Act as {x}.", "Pretend to be {x}.", "Play the part of {x}.",
    "You are {x}. Stay in character.", "Your role: {x}.", "From now on you are {x}.",
)  # fmt: skip
_VOICES = {
    "pirate": every(_ROLE, x=("a pirate", "an old pirate", "a pirate captain", "a friendly pirate", "a wild pirate", "a pirate of the seven seas")),
    "upper": every(("Answer in {x}.", "Write everything in {x}.", "Always answer in {x}.", "Use only {x}.", "Reply in {x}.", "Every answer must be in {x}.",
                    "Your answers are in {x}.", "Speak in {x} only."),
                   x=("upper case", "capital letters", "upper case letters", "ALL CAPS", "capitals")),
    "chef": every(_ROLE, x=("a gourmet chef", "a chef", "a master chef", "a French chef", "a proud chef", "the chef of a fine restaurant", "a famous chef")),
    "formal": every(_ROLE, x=("a formal butler", "a butler", "an English butler", "a polite butler", "an old butler", "the butler of a great house")),
    "terse": every(("Be {x}.", "You are {x}.", "Always be {x}.", "Your answers are {x}.", "Keep your answers {x}.", "Answer in a way that is {x}."),
                   x=("terse", "very terse", "brief", "very brief", "short", "as short as possible")),
}  # fmt: skip
_FRAMES = {"pirate": ("Arrr! ", "\n\nFair winds, matey!"), "chef": ("With pleasure! ", "\n\nBon appetit!"),
           "formal": ("Certainly, Sir or Madam. ", "\n\nAt your service.")}  # fmt: skip


def make(side: Side) -> Dialogue:
    """A system prompt that sets a voice, and a question of another area."""
    voice = side.choice(list(_VOICES)) if side.chance(side.share(1, 0.6)) else side.choice(["upper", "terse"])
    if voice == "terse":
        return _terse(side)
    areas = [recipes, arithmetic, memory, talk, text_work]
    # A recipe in capitals is spelt in other tokens than any other recipe.
    hard = 2 if voice == "upper" and not side.held_out else 1
    area = recipes if voice == "chef" and side.chance(0.7) else side.random.choices(areas, [hard, 1, 1, 1, hard])[0]
    plain = area.make(side)
    frame = system(side.pick(_VOICES[voice]))
    inner = plain.check
    if voice == "upper":
        kept = plain.answer

        def check(text: str) -> bool:
            # Small talk has several right answers; the checks of these areas do not look at case.
            right = area in (talk, memory, arithmetic) and inner(text)
            return text == text.upper() and (
                right or text.strip() == kept.upper().strip() or _upper_recipe(text, inner, area is recipes)
            )

        return Dialogue(AREA, [frame, *_dressed(plain, str.upper)], plain.answer.upper(), check)
    start, end = _FRAMES[voice]
    if area is recipes:
        start = start.strip() + "\n\n"

    def check_voice(text: str) -> bool:
        body = text.strip()
        return (
            body.startswith(start.strip())
            and body.endswith(end.strip())
            and inner(body[len(start.strip()) : -len(end.strip())].strip())
        )

    return Dialogue(
        AREA, [frame, *_dressed(plain, lambda text: start + text + end)], start + plain.answer + end, check_voice
    )


def _terse(side: Side) -> Dialogue:
    """A number alone, a fact alone, the first sentence alone."""
    area = side.choice([arithmetic, arithmetic, memory, about])
    plain = area.make(side)

    def shorter(text: str) -> str:
        sum_ = re.fullmatch(r"\d+ [-+*] \d+ = (?:.* )?(\d+)", text)
        return sum_[1] if sum_ else re.split(r"(?<=[.!?])\s", text)[0]

    inner, kept = plain.check, shorter(plain.answer)

    def check(text: str) -> bool:
        short = len(re.findall(r"[.!?](?:\s|$)", text.strip())) <= 1
        return short and (text.strip() == kept if area in (arithmetic, about) else inner(text))

    return Dialogue(AREA, [system(side.pick(_VOICES["terse"])), *_dressed(plain, shorter)], kept, check)


def _upper_recipe(text: str, check: object, recipe: bool) -> bool:
    lower = text.lower()
    for word in ("Serves", "Ingredients:", "Steps:"):
        lower = re.sub(rf"^{word.lower()}", word, lower, flags=re.M)
    return recipe and callable(check) and bool(check(lower))


def _dressed(plain: Dialogue, dress: object) -> list[dict[str, object]]:
    assert callable(dress)
    return [{**m, "content": dress(m["content"])} if m["role"] == "assistant" else m for m in plain.messages]
