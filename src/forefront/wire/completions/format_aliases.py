"""The form of an answer under other engines' names, as `response_format`, `regex` or `grammar`."""

import json
from collections.abc import Callable
from typing import Any, Final

from forefront.wire.errors import RequestError
from forefront.wire.parsing.json_reader import read_json
from forefront.wire.parsing.value_checks import Fields, check_boolean, check_text, check_type

# Fields that set the form of the answer under another name.
FORMAT_ALIASES: Final = (
    "structured_outputs", "guided_json", "guided_regex", "guided_choice", "guided_grammar", "guided_json_object",
    "ebnf", "json_schema", "format",
)  # fmt: skip
_OWN_FORMS: Final = ("response_format", "regex", "grammar")
_MAX_CHOICES: Final = 1024


def rewrite_format(fields: Fields) -> None:
    """One of `response_format`, `regex` and `grammar` in place of the field that sets the form."""
    given = [name for name in (*_OWN_FORMS, *FORMAT_ALIASES) if _sets_form(fields, name)]
    if len(given) > 1:
        text = f"`{given[0]}` and `{given[1]}` both set the form of the answer: send one of them."
        raise RequestError("invalid_value", text, param=given[1])
    for name in FORMAT_ALIASES:
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
        return check_boolean(value, name) if name in fields else False
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
    check_type(value, dict, "a JSON schema", path)
    if isinstance(value.get("schema"), dict) and "type" not in value:  # OpenAI's form of a named schema
        return {"response_format": {"type": "json_schema", "json_schema": value}}
    return {"response_format": {"type": "json_schema", "json_schema": {"schema": value}}}


def _regex(value: Any, path: str) -> Fields:
    return {"regex": check_text(value, path)}


def _grammar(value: Any, path: str) -> Fields:
    return {"grammar": check_text(value, path)}


def _gbnf(value: Any, path: str) -> Fields:
    return {"grammar": {"syntax": "gbnf", "definition": check_text(value, path)}}


def _choice(value: Any, path: str) -> Fields:
    """One of some texts."""
    check_type(value, list, "an array", path)
    if not 1 <= len(value) <= _MAX_CHOICES:
        raise RequestError("invalid_value", f"`{path}` must have 1 to {_MAX_CHOICES} items.", param=path)
    choices = [json.dumps(check_text(text, f"{path}[{index}]"), ensure_ascii=False) for index, text in enumerate(value)]
    return {"grammar": {"syntax": "lark", "definition": f"start: {' | '.join(dict.fromkeys(choices))}"}}


def _any_object(_value: Any, _path: str) -> Fields:
    return {"response_format": {"type": "json_object"}}


def _ollama_format(value: Any, path: str) -> Fields:
    return _any_object(value, path) if value == "json" else _json(value, path)


def _structured_outputs(value: Any, path: str) -> Fields:
    """vLLM's object, which has exactly one of the forms. Its other members choose how an engine binds the answer."""
    check_type(value, dict, "an object", path)
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
                text = f"`response_format.{name}` cannot be combined with the type `text`."
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
