"""The models of `GET /v1/models`."""

from typing import Literal

from forefront.wire.record import Record

ModelState = Literal["unloaded", "loading", "loaded", "unloading", "failed"]


class Model(Record, kw_only=True):
    """A model that can be named in a request. `context_length` is in tokens, prompt and answer together;
    `max_model_len` is vLLM's name for it. `root` is the model that the name refers to: the same one here. A model that
    is not loaded is loaded for its next request. `size`: bytes of memory that it takes when it is loaded.
    `capabilities`: what it reads beside text (`images`, `audio`, `files`)."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str
    context_length: int | None = None
    max_model_len: int | None = None
    root: str | None = None
    state: ModelState | None = None
    size: int | None = None
    capabilities: tuple[str, ...] = ()


class ModelList(Record, kw_only=True):
    """Every model that is served."""

    object: Literal["list"] = "list"
    data: list[Model]
