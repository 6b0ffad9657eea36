"""The owner of work: one project."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Tenant:
    """A project, as the layers below the gateway see it.

    `name` identifies the owner of work and memory. `weight` is its share of contended resources, relative to others.
    """

    name: str
    weight: float = 1.0

    @property
    def salt(self) -> bytes:
        """Separates the KV blocks of tenants: blocks are shared only under the same salt."""
        return self.name.encode()


# The owner of requests that belong to no project, in tests and tools.
NO_TENANT: Final = Tenant("")
