"""Orders of roles that a chat template refuses or leaves out, and their equivalents that it shows."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final, Literal

from forefront.chat.prompt.chat_template import ChatTemplate, TemplateError

_TEXTS: Final = ("content", "reasoning_content", "thinking")
_BREAK: Final = "\n\n"
# What goes between neighbours of one role. Templates of Mistral refuse an empty answer.
_BETWEEN: Final = {"user": {"role": "assistant", "content": " "}, "assistant": {"role": "user", "content": ""}}


@dataclass(frozen=True, slots=True)
class TemplateRoles:
    """The roles that a template shows.

    - `system`: system messages in any place, one before all others, or none.
    - `alternating`: neighbours of the role `user` or `assistant` are refused, where messages with calls do not count.
    - `user_first`: a message of the assistant before the first one of the user is refused.
    - `user_needed`: without a message of the user, a system message is refused or left out.
    """

    system: Literal["any", "first", "none"] = "any"
    alternating: bool = False
    user_first: bool = False
    user_needed: bool = False


def find_roles(template: ChatTemplate) -> TemplateRoles:
    """The roles of a template, found by rendering. A template that does not even show a question has the default."""
    if not _shows(template, "user"):
        return TemplateRoles()
    system: Literal["any", "first", "none"] = "any"
    if not _shows(template, "system", "user", "assistant", "system", "system", "user"):
        # Mistral Nemo shows it only where the last message is one of the user, which results are not.
        shown = _shows(template, "system", "user") and _shows(template, "system", "user", "assistant")
        system = "first" if shown else "none"
    return TemplateRoles(
        system=system,
        alternating=not _shows(template, "user", "user", "assistant", "assistant", "user"),
        user_first=not _shows(template, "assistant", "user"),
        user_needed=not _shows(template, "system"),
    )


def with_roles(messages: Sequence[dict[str, Any]], roles: TemplateRoles) -> list[dict[str, Any]]:
    """The same conversation in the roles of the template.

    System texts that have no place of their own begin the next message of the user, end the result before them, or are
    a message of the user. Neighbours of one role become one message; where calls are between them, an empty message of
    the other role separates them. A conversation that the assistant begins gets an empty message of the user.
    """
    shown = list(messages if roles.system == "any" else _without_system(messages, keep_first=roles.system == "first"))
    if roles.user_needed and shown and all(message["role"] == "system" for message in shown):
        shown = [{"role": "user", "content": _join(message["content"] for message in shown)}]
    if roles.alternating:
        shown = list(_alternating(joined(shown, ("user", "assistant"), _BREAK), user_first=roles.user_first))
    begin = next((place for place, message in enumerate(shown) if message["role"] != "system"), None)
    if begin is None or shown[begin]["role"] == "user":
        return shown
    needs_user = roles.user_needed and all(message["role"] != "user" for message in shown)
    if needs_user or (roles.user_first and not roles.alternating):
        shown.insert(begin, _BETWEEN["assistant"])
    return shown


def joined(messages: Sequence[dict[str, Any]], roles: Sequence[str], separator: str) -> list[dict[str, Any]]:
    """The same messages with neighbours of one of the `roles` as one. A message with calls stays alone: its results
    follow it, and many templates show no text beside calls."""
    made: list[dict[str, Any]] = []
    for (role, calls), run in groupby(messages, key=lambda message: (message["role"], bool(message.get("tool_calls")))):
        neighbours = list(run)
        if role not in roles or calls or len(neighbours) == 1:
            made += neighbours
        else:
            made.append(_one(neighbours, separator))
    return made


def _one(messages: Sequence[dict[str, Any]], separator: str) -> dict[str, Any]:
    """Messages of one role as one, with the name that all of them have."""
    made = messages[0] | messages[-1]
    if len({message.get("name") for message in messages}) > 1:
        made.pop("name", None)
    for name in _TEXTS:
        if any(name in message for message in messages):
            made[name] = _join((message.get(name, "") for message in messages), separator)
    return made


def _alternating(messages: Sequence[dict[str, Any]], *, user_first: bool) -> Iterator[dict[str, Any]]:
    """The messages; those without calls have the roles `user` and `assistant` in turn."""
    last = "assistant" if user_first else ""
    for place, message in enumerate(messages):
        role = message["role"]
        if role in _BETWEEN and not message.get("tool_calls"):
            if role == last:
                # Mistral Nemo shows the tools before each message that equals the last one of the user.
                yield _BETWEEN[role] | {"place": place}
            last = role
        yield message


def _without_system(messages: Sequence[dict[str, Any]], *, keep_first: bool) -> Iterator[dict[str, Any]]:
    """The messages without system messages, except the first where it is kept."""
    begin = next((place for place, message in enumerate(messages) if message["role"] != "system"), len(messages))
    waiting = [message["content"] for message in messages[:begin]]
    if begin and (keep_first or begin == len(messages)):
        yield {"role": "system" if keep_first else "user", "content": _join(waiting)}
        waiting = []
    result: dict[str, Any] | None = None  # the last message, if it is one
    for message in messages[begin:]:
        role = message["role"]
        if role == "system":
            waiting.append(message["content"])
            continue
        if role == "user":
            message, waiting = message | {"content": _join((*waiting, message["content"]))}, []
        yield from _placed(result, waiting)
        waiting, result = [], message if role == "tool" else None
        if result is None:
            yield message
    yield from _placed(result, waiting)


def _placed(result: dict[str, Any] | None, system: Sequence[str]) -> Iterator[dict[str, Any]]:
    """System texts at the end of the result before them, since a message of the user would end a turn that uses tools
    (Qwen 3.5 then leaves out its reasoning); or else as a message of the user."""
    text = _join(system)
    if result is not None:
        yield result | {"content": _join((result["content"], text))} if text else result
    elif text:
        yield {"role": "user", "content": text}


def _join(texts: Iterable[str], separator: str = _BREAK) -> str:
    return separator.join(text for text in texts if text)


def _shows(template: ChatTemplate, *roles: str) -> bool:
    """Whether the template shows a message of each of the roles, in this order."""
    messages = [{"role": role, "content": f"probe-{role}-{place}"} for place, role in enumerate(roles)]
    try:
        prompt = template.render(messages)
    except TemplateError:
        return False
    return all(message["content"] in prompt for message in messages)
