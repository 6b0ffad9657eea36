"""The authenticated caller of a request."""

from dataclasses import dataclass
from functools import cached_property

from forefront.fairness.tenant import Tenant
from forefront.wire.admin.records import Key, Limits, Project, Scope
from forefront.wire.errors import RequestError


@dataclass(frozen=True)
class Principal:
    """A key and its project, as of one `revision` of the store."""

    key: Key
    project: Project
    revision: int = 0

    @cached_property
    def tenant(self) -> Tenant:
        """The project, as the owner of its requests' work."""
        return Tenant(self.project.name, self.project.weight)

    @cached_property
    def key_tenant(self) -> Tenant:
        """The key, as the owner of work that is shared among keys instead of projects."""
        return Tenant(self.key.id)

    def limits(self) -> tuple[tuple[str, str, Limits], ...]:
        """The limits of its requests: `key` or `project`, the key's id or the project's name, and the limits."""
        key, project = self.key, self.project
        return ("key", key.id, key.limits), ("project", project.name, project.limits)

    def require_scope(self, *scopes: Scope) -> None:
        """Raise `RequestError` 403 unless the key has one of the scopes."""
        for scope in scopes:
            if scope in self.key.scopes:
                return
        names = " or ".join(f"`{scope}`" for scope in scopes)
        raise RequestError("insufficient_scope", f"This API key does not have the scope {names}.")

    def require_model(self, name: str) -> None:
        """Raise `RequestError` 403 unless the key may use the model."""
        if self.key.models is not None and name not in self.key.models:
            allowed = ", ".join(f"`{model}`" for model in self.key.models) or "none"
            text = f"This API key may not use the model `{name[:128]}`. Allowed: {allowed}."
            raise RequestError("model_not_allowed", text, param="model")
