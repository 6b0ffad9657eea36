"""Who asks."""

from dataclasses import dataclass

from forefront.fairness.tenant import Tenant
from forefront.wire.admin import Key, Limits, Project, Scope
from forefront.wire.errors import ApiError


@dataclass(frozen=True, slots=True)
class Principal:
    """The holder of a key, on behalf of its project, as both were at a `revision` of the store."""

    key: Key
    project: Project
    revision: int = 0

    @property
    def tenant(self) -> Tenant:
        """The project, as the owner of the work."""
        return Tenant(self.project.name, self.project.weight)

    @property
    def key_tenant(self) -> Tenant:
        """The key by itself, as the owner of work that its project does not pay for."""
        return Tenant(self.key.id)

    def limited(self) -> tuple[tuple[str, str, Limits], ...]:
        """Whose limits hold for its requests: `key` or `project`, its id or name, and the limits."""
        key, project = self.key, self.project
        return ("key", key.id, key.limits), ("project", project.name, project.limits)

    def need(self, scope: Scope) -> None:
        """Raise `ApiError` 403 unless the key has the scope."""
        if scope not in self.key.scopes:
            raise ApiError("insufficient_scope", f"This API key does not have the scope `{scope}`.")

    def need_model(self, name: str) -> None:
        """Raise `ApiError` 403 unless the key may use the model."""
        if self.key.models is not None and name not in self.key.models:
            allowed = ", ".join(f"`{model}`" for model in self.key.models) or "none"
            text = f"This API key may not use the model `{name[:128]}`. Allowed: {allowed}."
            raise ApiError("model_not_allowed", text, param="model")
