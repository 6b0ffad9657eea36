"""Receipts: which weights and engine made an answer, with which sampling, and how long each phase took."""

from forefront.wire.record import Record


class EffectiveSampling(Record, kw_only=True):
    """The sampling values of an answer, defaults filled in. `seed` is drawn when the request has none; sent back in a
    request, it repeats the answer up to rounding. For an answer of an upstream, null is the upstream's default."""

    temperature: float | None
    top_p: float | None
    top_k: int | None
    min_p: float | None
    presence_penalty: float | None
    frequency_penalty: float | None
    repetition_penalty: float | None
    max_tokens: int | None
    seed: int | None = None


class UpstreamReceipt(Record, kw_only=True):
    """The server that answered, by its model and its place in the settings (`big/1`), and the model's name there."""

    name: str
    model: str


class Receipt(Record, kw_only=True):
    """The conditions of an answer, for repeating it.

    `weights` is a hash of the model as it was loaded, `quantization` the precisions it is computed in, `engine` a name
    and a version; for an answer of an `upstream` all three are what it states, or "unknown". Times are in milliseconds:
    waiting for a turn, reading the prompt until the first token, and from there to the last. `served_by` names
    a fallback that answered in place of the requested model. `moves` counts how often the answer moved to another
    replica of a cluster.
    """

    weights: str
    quantization: str
    engine: str
    sampling: EffectiveSampling
    queue_ms: float
    prefill_ms: float
    decode_ms: float
    upstream: UpstreamReceipt | None = None
    served_by: str | None = None
    moves: int | None = None
