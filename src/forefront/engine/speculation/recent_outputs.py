"""The recent outputs of each tenant, as a source of drafts for its next ones."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from forefront.engine.speculation.ngram_index import NgramIndex

# A token that no vocabulary has. It ends a text within an index, so that no draft continues into another text.
SEPARATOR: Final = -1
# Tokens of each of the two indices of a tenant. With `_TENANTS`, 10 MiB together.
_INDEXED: Final = 4096
_TENANTS: Final = 64
# Shorter outputs are rarely repeated.
_SHORTEST: Final = 8


class RecentOutputs:
    """The last outputs of one tenant in two indices: the newer one takes outputs until it is full, and then replaces
    the older one."""

    def __init__(self) -> None:
        self._newer, self._older = NgramIndex(), NgramIndex()

    def add(self, output: Sequence[int]) -> None:
        """Add an output, or the end of a long one."""
        output = output[1 - _INDEXED :]
        if len(self._newer) + len(output) >= _INDEXED:
            self._older, self._newer = self._newer, NgramIndex()
        self._newer.extend([*output, SEPARATOR])

    def find(self, context: Sequence[int]) -> tuple[NgramIndex, int, int]:
        """The index with the longest match for the end of `context`, and the result of `NgramIndex.find` in it."""
        newer, older = self._newer.find(context), self._older.find(context)
        return (self._newer, *newer) if newer[1] >= older[1] else (self._older, *older)


class OutputsByTenant:
    """The recent outputs of recently active tenants. Outputs of one tenant never serve another."""

    def __init__(self) -> None:
        self._tenants: OrderedDict[str, RecentOutputs] = OrderedDict()

    def __len__(self) -> int:
        return len(self._tenants)

    def of(self, tenant: str) -> RecentOutputs | None:
        """The recent outputs of a tenant."""
        return self._tenants.get(tenant)

    def add(self, tenant: str, output: Sequence[int]) -> None:
        """Add an output. The tenant whose last output is oldest makes room for a new tenant."""
        if len(output) < _SHORTEST:
            return
        if tenant not in self._tenants:
            self._tenants[tenant] = RecentOutputs()
            if len(self._tenants) > _TENANTS:
                self._tenants.popitem(last=False)
        self._tenants.move_to_end(tenant)
        self._tenants[tenant].add(output)
