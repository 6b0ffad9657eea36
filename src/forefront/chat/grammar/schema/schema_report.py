"""The parts of a JSON schema that a grammar does not enforce."""

from collections.abc import Mapping
from typing import Any


class UnenforceableError(Exception):
    """A keyword of a strict schema cannot be enforced. `path` leads to the keyword."""

    def __init__(self, path: str, keyword: str, reason: str) -> None:
        super().__init__(f"`{keyword or 'schema'}` cannot be enforced ({reason})")
        self.path = path
        self.keyword = keyword
        self.reason = reason


class MalformedSchemaError(UnenforceableError):
    """A keyword has a value that no version of JSON Schema gives it."""

    def __init__(self, path: str, keyword: str, reason: str) -> None:
        super().__init__(path, keyword, reason)
        self.args = (f"`{keyword or 'schema'}` is malformed: {reason}",)


class SchemaReport:
    """Collects the paths of keywords that are left out of one schema. A `strict` schema omits none; `relaxed` omits
    constraints of strings and numbers; `lenient` omits malformed keywords."""

    def __init__(self, *, strict: bool, relaxed: bool = False, lenient: bool = False) -> None:
        self.relaxed = relaxed and not strict
        self._strict = strict
        self._lenient = lenient and not strict
        self.left_out: list[str] = []

    def leave_out(self, path: str, keyword: str, reason: str) -> None:
        """A keyword is not enforced. Raises `UnenforceableError` if the schema is strict."""
        full = f"{path}.{keyword}" if keyword else path
        if self._strict:
            raise UnenforceableError(full, keyword, reason)
        if full not in self.left_out:
            self.left_out.append(full)

    def malformed(self, path: str, keyword: str, reason: str) -> None:
        """A keyword has a wrong value. Raises `MalformedSchemaError` unless the schema is lenient."""
        if not self._lenient:
            raise MalformedSchemaError(f"{path}.{keyword}" if keyword else path, keyword, reason)
        self.leave_out(path, keyword, reason)

    def is_list_of_schemas(self, path: str, keyword: str, value: Any) -> bool:
        """Whether the value of `anyOf`, `allOf` or `oneOf` is well-formed."""
        if isinstance(value, list) and value and all(isinstance(part, bool | Mapping) for part in value):
            return True
        self.malformed(path, keyword, "it is not a list of schemas")
        return False

    def count(self, schema: Mapping[str, Any], path: str, keyword: str) -> int | None:
        """A keyword whose value is a natural number, None if it is missing or malformed."""
        value = schema.get(keyword)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0 or value != int(value):
            self.malformed(path, keyword, "it is not a natural number")
            return None
        return int(value)
