"""The messages between a server and a replica, as msgpack, each with its length before it.

A connection begins with a proof of the replica's secret on both sides: `Challenge`, `Hello`, `Welcome`. Everything is
plain data. A message of another version of the protocol is refused with `Challenge.protocol`.
"""

from typing import Final

import msgspec

from forefront.cluster.protocol.constraint_source import ConstraintSource
from forefront.engine.request import SamplingParams

# Changes with every change of a message's meaning.
PROTOCOL: Final = 2


class _Message(msgspec.Struct, array_like=True, gc=False):
    pass


class Challenge(_Message, tag="challenge"):
    """The replica's first message: its version of the protocol, and random bytes."""

    protocol: int
    nonce: bytes


class Hello(_Message, tag="hello"):
    """The server's answer: its proof of the secret, and its own random bytes."""

    proof: bytes
    nonce: bytes


class Welcome(_Message, tag="welcome"):
    """The replica's proof of the secret. The connection is ready."""

    proof: bytes


class Resumed(_Message):
    """The tokens that a continuation has already."""

    index: int
    tokens: bytes


class Submit(_Message, tag="submit"):
    """A generation: the fields of `GenerateRequest`. `id` is the server's number for it on this connection. Tokens and
    `prediction` are 32-bit integers, lowest byte first. `tenant` and `weight` are those of the project.
    `prompt_work` and `output_work`: see `Placement`. `trace`: the headers of the request's trace context. `paused`: see
    `Pause`."""

    id: int
    prompt: bytes
    max_tokens: int
    sampling: SamplingParams
    n: int
    stop_tokens: list[int]
    tenant: str
    weight: float
    prompt_logprobs: int | None
    constraint: ConstraintSource | None
    resumed: list[Resumed]
    prompt_work: int = 0
    output_work: int = 0
    trace: dict[str, str] = {}
    prediction: bytes = b""
    paused: bool = False


class Cancel(_Message, tag="cancel"):
    """Stop a generation. The answer is `Released`."""

    id: int


class Pause(_Message, tag="pause"):
    """Pause a generation, because its reader is slow: send no tokens until `Resume`."""

    id: int


class Resume(_Message, tag="resume"):
    """Send a generation's tokens again."""

    id: int


class Lookup(_Message, tag="lookup"):
    """Count a prompt's cached tokens. The answer is `LookupResult`."""

    id: int
    prompt: bytes
    tenant: str


class InputTokens(_Message):
    """One sequence for an embedding model: its tokens, and from which on they belong to the second segment."""

    tokens: bytes
    second_segment: int | None = None


class Embed(_Message, tag="embed"):
    """Compute a vector for each sequence. The answer is `Vectors` or `Failed`. `id`, `tenant`, `weight` and `trace`:
    see `Submit`. `Cancel` drops the sequences that have not begun, without an answer."""

    id: int
    inputs: list[InputTokens]
    tenant: str
    weight: float
    trace: dict[str, str] = {}


class Heartbeat(_Message, tag="heartbeat"):
    """The server's heartbeat, each second. The answer is `Status`, so each side hears whether the other reads."""


class TokenScore(_Message):
    """The log-probability of a token, and the most likely alternatives with theirs."""

    logprob: float
    top: list[tuple[int, float]]


class PromptScore(_Message):
    """The same of a token of the prompt."""

    token: int
    logprob: float
    top: list[tuple[int, float]]


class Delta(_Message):
    """New tokens of one generation. `choices` has the continuation of each, if not all are of the first.
    `finish` has the finish reasons by the places of the tokens that end a continuation. `scores`, one for each token,
    and `prompt` are present if the request has log-probabilities. `cached`: prompt tokens found in the cache.
    `accepted_prediction` and `rejected_prediction`: tokens of the prediction since the last message."""

    id: int
    tokens: list[int]
    cached: int = 0
    finish: dict[int, str] = {}
    choices: list[int] = []
    scores: list[TokenScore] = []
    prompt: list[PromptScore] = []
    accepted_prediction: int = 0
    rejected_prediction: int = 0


class StepTokens(_Message, tag="tokens"):
    """The tokens of one step of all of a server's generations."""

    deltas: list[Delta]


class Vectors(_Message, tag="vectors"):
    """The vectors of an `Embed`, in order: `width` 32-bit floats each, lowest byte first."""

    id: int
    width: int
    values: bytes


class Failed(_Message, tag="failed"):
    """A request has ended with an error. `kind`: `step`, `constraint`, `stopped` or `refused`."""

    id: int
    kind: str
    text: str


class Released(_Message, tag="released"):
    """A cancelled generation has ended."""

    id: int


class LookupResult(_Message, tag="lookup_result"):
    """The answer to `Lookup`."""

    id: int
    cached: int


class Status(_Message, tag="status"):
    """The replica's state: the answer to `Heartbeat`, and a notice of `draining` and `leaving`. The counts are those
    of `ReplicaLoad`. `stalled`: seconds since the last progress of an engine that has work. `draining`: the replica
    takes no more requests. `leaving`: its requests should move to other replicas."""

    running: int
    waiting: int
    slots: int
    work: int
    blocks_held: int
    blocks_total: int
    retained_seconds: float
    tokens_sampled: int
    prompt_tokens: int
    cached_tokens: int
    stalled: float = 0.0
    draining: bool = False
    leaving: bool = False
    drafts: int = 0
    draft_tokens: int = 0
    accepted_tokens: int = 0


FromServer = Hello | Submit | Cancel | Pause | Resume | Lookup | Embed | Heartbeat
FromReplica = Challenge | Welcome | StepTokens | Vectors | Failed | Released | LookupResult | Status
