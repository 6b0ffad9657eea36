"""The rules of a Lark grammar that schemas are compiled to."""

from typing import Final

from forefront.chat.grammar.schema.number_pattern import NUMBER
from forefront.chat.grammar.schema.schema_intersection import NoValueError

# The prefix of generated rule names, unlikely in a client's grammar.
_PREFIX: Final = "schema_"


class SchemaRules:
    """Rules and terminals, by expression: equal ones are one."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._defined: dict[str, str] = {}
        self._count = 0

    @property
    def lines(self) -> list[str]:
        """The rules as Lark has them."""
        rules = [*self._defined.items(), *((name, expression) for expression, name in self._names.items())]
        return [f"{name}: {expression}" for name, expression in rules]

    def rule(self, expression: str) -> str:
        """The name of a rule."""
        return self._name(expression, _PREFIX)

    def terminal(self, expression: str) -> str:
        """The name of a terminal: regular expressions that are matched as one."""
        return self._name(expression, _PREFIX.upper())

    def reserve(self) -> str:
        """A name for a rule that is defined later."""
        self._count += 1
        return f"{_PREFIX}{self._count}"

    def define(self, name: str, expression: str) -> None:
        """The rule of a reserved name."""
        self._defined[name] = expression

    def either(self, options: list[str]) -> str:
        """A rule for one of `options`. Raises `NoValueError` if there are none."""
        options = list(dict.fromkeys(options))
        if not options:
            raise NoValueError
        return options[0] if len(options) == 1 else self.rule(" | ".join(options))

    def nothing(self) -> str:
        """A rule that matches no text."""
        name = f"{_PREFIX}nothing"
        self._defined[name] = f'"\\u0000" {name}'
        return name

    def any_value(self, string: str) -> str:
        """The rule of any JSON value."""
        name = f"{_PREFIX}any"
        if name not in self._defined:
            text, figure = self.terminal(string), self.terminal(f"/{NUMBER}/")
            self._defined[f"{_PREFIX}member"] = f'{text} ": " {name}'
            self._defined[f"{_PREFIX}any_object"] = f'"{{" ({_PREFIX}member (", " {_PREFIX}member)*)? "}}"'
            array = f'"[" ({name} (", " {name})*)? "]"'
            self._defined[name] = f'{_PREFIX}any_object | {array} | {text} | {figure} | "true" | "false" | "null"'
        return name

    def any_object(self, string: str) -> str:
        """The rule of any JSON object."""
        self.any_value(string)
        return f"{_PREFIX}any_object"

    def _name(self, expression: str, prefix: str) -> str:
        found = self._names.get(expression)
        if found is None:
            self._count += 1
            found = self._names[expression] = f"{prefix}{self._count}"
        return found
