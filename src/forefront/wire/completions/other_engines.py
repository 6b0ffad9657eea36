"""Fields of other engines' APIs, rewritten as ours where the meaning is the same.

vLLM, SGLang, llama.cpp, Ollama and TGI name the form of an answer, its length and its sampling in other words. What
cannot be rewritten is in `unknown_fields`: refused by name, or let through as advice.
"""

import json
from collections.abc import Callable
from typing import Any, Final

from forefront.wire.errors import RequestError
from forefront.wire.parsing.json_reader import read_json

Fields = dict[str, Any]

# Another name → our field: the published documentation's misspelling, and the newer name of OpenAI's API.
ALIASES: Final = {"temeperature": "temperature", "max_completion_tokens": "max_tokens"}
_ENGINE_ALIASES: Final = {
    "max_new_tokens": "max_tokens",
    "max_output_tokens": "max_tokens",
    "max_tokens_to_sample": "max_tokens",
    "n_predict": "max_tokens",
    "num_predict": "max_tokens",
    "min_new_tokens": "min_tokens",
    "repeat_penalty": "repetition_penalty",
    "stop_sequences": "stop",
    "random_seed": "seed",
    "num_return_sequences": "n",
}
# Values of an alias that mean the default: no limit.
_DEFAULTS: Final[dict[str, tuple[int, ...]]] = {"n_predict": (-1,), "num_predict": (-1, -2)}
# Fields that set the form of the answer under another name.
_FORMS: Final = (
    "structured_outputs", "guided_json", "guided_regex", "guided_choice", "guided_grammar", "guided_json_object",
    "ebnf", "json_schema", "format",
)  # fmt: skip
# Fields that set the amount of reasoning under another name.
_REASONING: Final = ("reasoning", "thinking", "think", "enable_thinking", "chat_template_kwargs")
_OWN_FORMS: Final = ("response_format", "regex", "grammar")
_MAX_CHOICES: Final = 1024
_REWRITTEN: Final = frozenset(
    {*ALIASES, *_ENGINE_ALIASES, *_FORMS, *_REASONING, "options", "do_sample", "response_format", "grammar",
     "add_generation_prompt"}
)  # fmt: skip


def rewrite(fields: Fields, *, chat: bool) -> Fields:
    """The request, without null fields, in our own fields. Raises `RequestError` 422 for a value of the wrong type, and
    for two fields that mean the same and disagree."""
    if _REWRITTEN.isdisjoint(fields):
        return fields
    fields = _spread_options(fields)
    for alias, name in (ALIASES | _ENGINE_ALIASES).items():
        if alias in fields:
            value = fields.pop(alias)
            if not (chat and any(same(value, default) for default in _DEFAULTS.get(alias, ()))):
                _put(fields, name, value, alias)
    _rewrite_form(fields)
    if chat:
        _rewrite_reasoning(fields)
        _rewrite_continuation(fields)
    if "do_sample" in fields and _boolean(fields.pop("do_sample"), "do_sample") is False:
        _put(fields, "temperature", 0, "do_sample")
    return fields


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same JSON; to Python, false is 0 and true is 1."""
    return bool(one == other) and isinstance(one, bool) is isinstance(other, bool)


def _put(fields: Fields, name: str, value: Any, alias: str) -> None:
    if name in fields and not same(fields[name], value):
        text = f"`{alias}` and `{name}` mean the same but have different values."
        raise RequestError("invalid_value", text, param=alias)
    fields[name] = value


def _spread_options(fields: Fields) -> Fields:
    """The sampling values of Ollama's `options` beside the other fields."""
    options = fields.get("options")
    if options is None:
        return fields
    _require(options, dict, "an object", "options")
    spread = {name: value for name, value in fields.items() if name != "options"}
    for name, value in options.items():
        if name in ("model", "messages", "prompt", "options"):
            raise RequestError("unknown_parameter", f"`options.{name}` is not a parameter.", param=f"options.{name}")
        if value is not None:
            _put(spread, name, value, f"options.{name}")
    return spread


def _rewrite_form(fields: Fields) -> None:
    """One of `response_format`, `regex` and `grammar` in place of the field that sets the form."""
    given = [name for name in (*_OWN_FORMS, *_FORMS) if _sets_form(fields, name)]
    if len(given) > 1:
        text = f"`{given[0]}` and `{given[1]}` both set the form of the answer: send one of them."
        raise RequestError("invalid_value", text, param=given[1])
    for name in _FORMS:
        if name in fields:
            value = fields.pop(name)
            if name in given:
                fields |= _form(name, value, name)
    if isinstance(fields.get("response_format"), dict):
        own = _response_format(fields["response_format"])
        if "response_format" not in own:
            del fields["response_format"]
        fields |= own
    grammar = fields.get("grammar")
    if isinstance(grammar, dict) and "value" in grammar:  # TGI
        fields |= _typed(fields.pop("grammar"), "grammar")


def _sets_form(fields: Fields, name: str) -> bool:
    value = fields.get(name)
    if name == "response_format":
        return isinstance(value, dict) and value.get("type") != "text"
    if name == "guided_json_object":
        return _boolean(value, name) if name in fields else False
    if name == "format":
        return value not in (None, "")
    return value is not None


def _form(name: str, value: Any, path: str) -> Fields:
    """A form under another engine's name as one of our fields."""
    return _READERS[name](value, path)


def _json(value: Any, path: str) -> Fields:
    """A JSON schema, as an object or as its text."""
    if isinstance(value, str):
        try:
            value = read_json(value.encode("utf-8", "surrogatepass"))
        except RequestError:
            raise RequestError("invalid_value", f"`{path}` must be the text of a JSON schema.", param=path) from None
    if isinstance(value, bool):
        value = {} if value else {"not": {}}
    _require(value, dict, "a JSON schema", path)
    if isinstance(value.get("schema"), dict) and "type" not in value:  # OpenAI's form of a named schema
        return {"response_format": {"type": "json_schema", "json_schema": value}}
    return {"response_format": {"type": "json_schema", "json_schema": {"schema": value}}}


def _regex(value: Any, path: str) -> Fields:
    return {"regex": _text(value, path)}


def _grammar(value: Any, path: str) -> Fields:
    return {"grammar": _text(value, path)}


def _gbnf(value: Any, path: str) -> Fields:
    return {"grammar": {"syntax": "gbnf", "definition": _text(value, path)}}


def _choice(value: Any, path: str) -> Fields:
    """One of some texts."""
    _require(value, list, "an array", path)
    if not 1 <= len(value) <= _MAX_CHOICES:
        raise RequestError("invalid_value", f"`{path}` must have 1 to {_MAX_CHOICES} items.", param=path)
    choices = [json.dumps(_text(text, f"{path}[{index}]"), ensure_ascii=False) for index, text in enumerate(value)]
    return {"grammar": {"syntax": "lark", "definition": f"start: {' | '.join(dict.fromkeys(choices))}"}}


def _any_object(_value: Any, _path: str) -> Fields:
    return {"response_format": {"type": "json_object"}}


def _ollama_format(value: Any, path: str) -> Fields:
    return _any_object(value, path) if value == "json" else _json(value, path)


def _structured_outputs(value: Any, path: str) -> Fields:
    """vLLM's object, which has exactly one of the forms. Its other members choose how an engine binds the answer."""
    _require(value, dict, "an object", path)
    value = {name: member for name, member in value.items() if member is not None and member is not False}
    given = [name for name in _STRUCTURED if name in value]
    if len(given) != 1:
        text = f"`{path}` must have exactly one of {', '.join(f'`{name}`' for name in _STRUCTURED)}."
        raise RequestError("invalid_value", text, param=path)
    for name in value.keys() - {given[0]} - _STRUCTURED_ADVICE:
        text = f"`{path}.{name[:64]}` is not supported."
        raise RequestError("unsupported_parameter", text, param=f"{path}.{name[:64]}")
    return _STRUCTURED[given[0]](value[given[0]], f"{path}.{given[0]}")


def _response_format(value: Fields) -> Fields:
    """Our `response_format` for llama.cpp's schema beside the type, and for TGI's and Fireworks' other types."""
    kind, schema = value.get("type"), value.get("schema")
    if kind == "text":
        for name in ("schema", "json_schema", "value", "grammar", "regex"):
            if value.get(name) is not None:
                text = f"`response_format.{name}` does not go with the type `text`."
                raise RequestError("invalid_value", text, param=f"response_format.{name}")
    if kind in ("json_object", "json_schema") and schema is not None:
        if value.get("json_schema") is not None:
            text = "`response_format` has both `schema` and `json_schema`: send one of them."
            raise RequestError("invalid_value", text, param="response_format.schema")
        return _json(schema, "response_format.schema")
    if kind == "json_object" and value.get("json_schema") is not None:
        return {"response_format": value | {"type": "json_schema"}}
    if kind in ("json", "regex", "grammar") and ("value" in value or kind in value):
        return _typed({"type": kind, "value": value.get("value", value.get(kind))}, "response_format")
    if kind == "structural_tag":
        text = "`response_format` of the type `structural_tag` is not supported: use `tools` or `grammar`."
        raise RequestError("unsupported_parameter", text, param="response_format.type")
    return {"response_format": value}


def _typed(value: Fields, path: str) -> Fields:
    """TGI's `{"type", "value"}`."""
    readers = {"json": _json, "json_schema": _json, "regex": _regex, "grammar": _grammar}
    kind = value.get("type")
    if not isinstance(kind, str) or kind not in readers:
        raise RequestError("invalid_value", f"`{path}.type` must be `json` or `regex`.", param=f"{path}.type")
    return readers[kind](value["value"], f"{path}.value")


_STRUCTURED: Final[dict[str, Callable[[Any, str], Fields]]] = {
    "json": _json, "regex": _regex, "choice": _choice, "grammar": _grammar, "json_object": _any_object,
}  # fmt: skip
_STRUCTURED_ADVICE: Final = frozenset({"backend", "disable_fallback", "disable_any_whitespace"})
_READERS: Final[dict[str, Callable[[Any, str], Fields]]] = {
    "structured_outputs": _structured_outputs,
    "guided_json": _json,
    "guided_regex": _regex,
    "guided_choice": _choice,
    "guided_grammar": _grammar,
    "guided_json_object": _any_object,
    "ebnf": _gbnf,
    "json_schema": _json,
    "format": _ollama_format,
}


def _rewrite_continuation(fields: Fields) -> None:
    """vLLM continues a last message of the assistant only with both of these fields, here it is always continued."""
    if fields.get("add_generation_prompt") is not False or fields.get("continue_final_message") is not True:
        return
    messages = fields.get("messages")
    last = messages[-1] if isinstance(messages, list) and messages else None
    if isinstance(last, dict) and last.get("role") == "assistant" and not last.get("tool_calls"):
        del fields["add_generation_prompt"]


def _rewrite_reasoning(fields: Fields) -> None:
    """`reasoning_effort` in place of the fields that set the amount of reasoning. Raises
    `RequestError` 422 where they contradict each other."""
    stated: list[tuple[str, str | bool]] = []
    for name in _REASONING:
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
        return [(name, _text(value, name))]
    if name == "enable_thinking":
        raise RequestError("invalid_type", f"`{name}` must be true or false.", param=name)
    _require(value, dict, "an object", name)
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


def _boolean(value: Any, path: str) -> bool:
    _require(value, bool, "true or false", path)
    return bool(value)


def _text(value: Any, path: str) -> str:
    _require(value, str, "a string", path)
    if not value:
        raise RequestError("invalid_value", f"`{path}` must have at least 1 character.", param=path)
    return str(value)


def _require(value: Any, kind: type, name: str, path: str) -> None:
    if not isinstance(value, kind):
        raise RequestError("invalid_type", f"`{path}` must be {name}.", param=path)


_REASONING_MEMBERS: Final[dict[str, dict[str, Callable[[Any, str], str | bool | None]]]] = {
    "reasoning": {"effort": _text, "enabled": _boolean},
    "thinking": {"type": _enabled},
    "chat_template_kwargs": {"reasoning_effort": _text, "enable_thinking": _boolean, "thinking": _boolean},
}
