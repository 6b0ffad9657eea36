"""Orders of roles that a chat template refuses or leaves out, and their equivalents that it shows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final, Literal

from forefront.chat.prompt.chat_template import ChatTemplate, TemplateError

_TEXTS: Final = ("content", "reasoning_content", "thinking")
_BREAK: Final = "\n\n"


@dataclass(frozen=True, slots=True)
class TemplateRoles:
    """The roles that a template shows.

    - `system`: messages of the system in any place, one before all others, or none.
    - `alternating`: neighbours of the role `user` or `assistant` are refused.
    - `user_first`: a message of the assistant before the first one of the user is refused.
    """

    system: Literal["any", "first", "none"] = "any"
    alternating: bool = False
    user_first: bool = False


def find_roles(template: ChatTemplate) -> TemplateRoles:
    """The roles of a template, found by rendering. A template that does not even show a question has the default."""
    if not _shows(template, "user"):
        return TemplateRoles()
    system: Literal["any", "first", "none"] = "any"
    if not _shows(template, "system", "user", "assistant", "system", "system", "user"):
        system = "first" if _shows(template, "system", "user") else "none"
    return TemplateRoles(
        system=system,
        alternating=not _shows(template, "user", "user", "assistant", "assistant", "user"),
        user_first=not _shows(template, "assistant", "user"),
    )


def with_roles(messages: Sequence[dict[str, Any]], roles: TemplateRoles) -> list[dict[str, Any]]:
    """The same conversation in the roles of the template.

    Texts of the system that have no place of their own begin the next message of the user, or are one. Neighbours of
    one role become one message. A conversation that the assistant begins gets an empty message of the user.
    """
    shown = list(messages if roles.system == "any" else _without_system(messages, keep_first=roles.system == "first"))
    if roles.alternating:
        shown = joined(shown, ("user", "assistant"), _BREAK)
    begin = next((place for place, message in enumerate(shown) if message["role"] != "system"), None)
    if roles.user_first and begin is not None and shown[begin]["role"] == "assistant":
        shown.insert(begin, {"role": "user", "content": ""})
    return shown


def joined(messages: Sequence[dict[str, Any]], roles: Sequence[str], separator: str) -> list[dict[str, Any]]:
    """The same messages with neighbours of one of the `roles` as one. A message with calls ends what it is joined to,
    since their results follow it."""
    made: list[dict[str, Any]] = []
    for role, run in groupby(messages, key=lambda message: str(message["role"])):
        neighbours = list(run)
        if role not in roles or len(neighbours) == 1:
            made += neighbours
            continue
        begin = 0
        for place, message in enumerate(neighbours):
            if message.get("tool_calls") or place == len(neighbours) - 1:
                made.append(_one(neighbours[begin : place + 1], separator))
                begin = place + 1
    return made


def _one(messages: Sequence[dict[str, Any]], separator: str) -> dict[str, Any]:
    """Messages of one role as one; only the last may have calls."""
    made = messages[0] | messages[-1]
    for name in _TEXTS:
        if any(name in message for message in messages):
            made[name] = separator.join(text for message in messages if (text := message.get(name)))
    return made


def _without_system(messages: Sequence[dict[str, Any]], *, keep_first: bool) -> Iterator[dict[str, Any]]:
    """The messages without those of the system, except the first where it is kept."""
    begin = next((place for place, message in enumerate(messages) if message["role"] != "system"), len(messages))
    waiting = [message["content"] for message in messages[:begin]]
    if keep_first and begin:
        yield {"role": "system", "content": _BREAK.join(waiting)}
        waiting = []
    for message in messages[begin:]:
        role = message["role"]
        if role == "system":
            waiting.append(message["content"])
            continue
        if waiting and role == "user":
            message, waiting = message | {"content": _BREAK.join((*waiting, message["content"]))}, []
        elif waiting and role != "tool":  # nothing may come between calls and their results
            yield {"role": "user", "content": _BREAK.join(waiting)}
            waiting = []
        yield message
    if waiting:
        yield {"role": "user", "content": _BREAK.join(waiting)}


def _shows(template: ChatTemplate, *roles: str) -> bool:
    """Whether the template shows a message of each of the roles, in this order."""
    messages = [{"role": role, "content": f"probe-{role}-{place}"} for place, role in enumerate(roles)]
    try:
        prompt = template.render(messages)
    except TemplateError:
        return False
    return all(message["content"] in prompt for message in messages)
