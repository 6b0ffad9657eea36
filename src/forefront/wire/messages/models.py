"""The models of `GET /v1/models` in the form of the Messages API."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

from forefront.wire.errors import RequestError
from forefront.wire.models import Model
from forefront.wire.record import Record, TaggedRecord

_MAXIMUM = 1000
_DEFAULT = 20


class ModelInfo(TaggedRecord, kw_only=True, tag="model"):
    """A model. `max_input_tokens` and `max_tokens` are its context, prompt and answer together."""

    id: str
    display_name: str
    created_at: str
    lifecycle: Literal["active"] = "active"
    max_input_tokens: int | None = None
    max_tokens: int | None = None

    @classmethod
    def of(cls, model: Model) -> "ModelInfo":
        """The same model."""
        created = datetime.fromtimestamp(model.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        context = model.context_length
        return cls(id=model.id, display_name=model.id, created_at=created, max_input_tokens=context, max_tokens=context)


class ModelPage(Record, kw_only=True):
    """Some of the models. `has_more`: there are others after, or before, them."""

    data: list[ModelInfo]
    has_more: bool
    first_id: str | None
    last_id: str | None


def model_page(
    models: Sequence[Model], limit: str | None = None, after: str | None = None, before: str | None = None
) -> ModelPage:
    """The first `limit` models, of those `after` an id; or the last ones `before` an id. Raises `RequestError` 422."""
    maximum = _limit(limit)
    if after is not None and before is not None:
        raise RequestError("invalid_value", "`after_id` and `before_id` exclude each other.", param="before_id")
    ids = [model.id for model in models]
    if before is not None:
        found = models[: _place(ids, before, "before_id")]
        shown = found[-maximum:]
    else:
        found = models if after is None else models[_place(ids, after, "after_id") + 1 :]
        shown = found[:maximum]
    data = [ModelInfo.of(model) for model in shown]
    return ModelPage(
        data=data,
        has_more=len(found) > len(shown),
        first_id=data[0].id if data else None,
        last_id=data[-1].id if data else None,
    )


def _limit(text: str | None) -> int:
    if text is None:
        return _DEFAULT
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= _MAXIMUM):
        raise RequestError("invalid_value", f"`limit` must be an integer from 1 to {_MAXIMUM}.", param="limit")
    return int(text)


def _place(ids: Sequence[str], id_: str, name: str) -> int:
    if id_ not in ids:
        raise RequestError("invalid_value", f"`{name}` must be the id of a model.", param=name)
    return ids.index(id_)
