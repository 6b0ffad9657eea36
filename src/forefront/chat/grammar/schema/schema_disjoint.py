"""A check that two schemas have no common value, so `oneOf` of them equals `anyOf`."""

from forefront.chat.grammar.schema.schema_intersection import GROUPS, Flat, NoValueError, same_json
from forefront.chat.grammar.schema.schema_merge import SchemaMerger
from forefront.chat.grammar.schema.schema_report import SchemaReport
from forefront.chat.grammar.schema.schema_types import types_of
from forefront.chat.grammar.schema.schema_values import is_closed, listed_values, mapping, names_in


class DisjointSchemas:
    """Compares merged schemas of one `oneOf`, at `path`."""

    def __init__(self, merger: SchemaMerger, report: SchemaReport, path: str) -> None:
        self._merger = merger
        self._report = report
        self._path = path

    def check(self, first: Flat, second: Flat, depth: int = 0) -> bool:
        """Whether no value satisfies both. False where that is unknown."""
        if depth > 4:
            return False
        types, other_types = types_of(first, self._path, self._report), types_of(second, self._path, self._report)
        numbers = {"number", "integer"}
        if not set(types) & set(other_types) and not (set(types) & numbers and set(other_types) & numbers):
            return True
        values, others_values = listed_values(first), listed_values(second)
        if values is not None and others_values is not None:
            return not any(same_json(a, b) for a in values for b in others_values)
        if types == other_types == ["object"]:
            return self._have_disjoint_properties(first, second, depth)
        return False

    def _have_disjoint_properties(self, first: Flat, second: Flat, depth: int) -> bool:
        named, other_named = mapping(first.get("properties")), mapping(second.get("properties"))
        if any(
            name not in other_named for name in names_in(first.get("required")) if other_named and is_closed(second)
        ):
            return True
        if any(name not in named for name in names_in(second.get("required")) if named and is_closed(first)):
            return True
        for name in (
            {*names_in(first.get("required"))} & {*names_in(second.get("required"))} & named.keys() & other_named.keys()
        ):
            try:
                part = self._merger.flat(named[name], self._path)
                other = self._merger.flat(other_named[name], self._path)
            except NoValueError:
                return True
            if not part[GROUPS] and not other[GROUPS] and self.check(part, other, depth + 1):
                return True
        return False
