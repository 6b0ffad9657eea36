"""The amount of reasoning under other engines' names, as `reasoning_effort`."""

from collections.abc import Callable
from typing import Any, Final

from forefront.wire.errors import RequestError
from forefront.wire.parsing.value_checks import Fields, check_boolean, check_text, check_type

# Fields that set the amount of reasoning under another name.
REASONING_ALIASES: Final = ("reasoning", "thinking", "think", "enable_thinking", "chat_template_kwargs")


def rewrite_reasoning(fields: Fields) -> None:
    """`reasoning_effort` in place of the fields that set the amount of reasoning. Raises
    `RequestError` 422 where they contradict each other."""
    stated: list[tuple[str, str | bool]] = []
    for name in REASONING_ALIASES:
        if name in fields:
            stated += _reasoning(name, fields.pop(name))
    if not stated:
        return
    own = fields.get("reasoning_effort")
    if isinstance(own, str):
        stated.append(("reasoning_effort", own))
    elif own is not None:
        return  # of the wrong type, which the field's own check reports
    efforts = [(path, value) for path, value in stated if isinstance(value, str)]
    path, effort = efforts[0] if efforts else (stated[0][0], "medium" if stated[0][1] else "none")
    for other, value in stated:
        if value != effort and not (value is True and effort != "none") and not (value is False and effort == "none"):
            text = f"`{path}` and `{other}` contradict each other."
            raise RequestError("invalid_value", text, param=other)
    fields["reasoning_effort"] = effort


def _reasoning(name: str, value: Any) -> list[tuple[str, str | bool]]:
    """The members of a field: paths with an effort, or with true or false for reasoning on or off."""
    if isinstance(value, bool) and name in ("think", "enable_thinking"):
        return [(name, value)]
    if name == "think":
        return [(name, check_text(value, name))]
    if name == "enable_thinking":
        raise RequestError("invalid_type", f"`{name}` must be true or false.", param=name)
    check_type(value, dict, "an object", name)
    members = {member: inner for member, inner in value.items() if inner is not None}
    if name == "reasoning" and members.get("exclude") is False:
        del members["exclude"]
    readers = _REASONING_MEMBERS[name]
    stated: list[tuple[str, str | bool]] = []
    for member, inner in members.items():
        path = f"{name}.{member[:64]}"
        if member not in readers:
            raise RequestError("unsupported_parameter", f"`{path}` is not supported.", param=path)
        read = readers[member](inner, path)
        stated += [] if read is None else [(path, read)]
    return stated


def _enabled(value: Any, path: str) -> bool | None:
    """The `type` of Anthropic's and DeepSeek's `thinking`."""
    if value in ("auto", "adaptive"):
        return None
    if value not in ("enabled", "disabled"):
        raise RequestError("invalid_value", f"`{path}` must be `enabled` or `disabled`.", param=path)
    return bool(value == "enabled")


_REASONING_MEMBERS: Final[dict[str, dict[str, Callable[[Any, str], str | bool | None]]]] = {
    "reasoning": {"effort": check_text, "enabled": check_boolean},
    "thinking": {"type": _enabled},
    "chat_template_kwargs": {
        "reasoning_effort": check_text,
        "enable_thinking": check_boolean,
        "thinking": check_boolean,
    },
}
