"""The settings of one upstream model."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from forefront.upstream.replica import UpstreamReplica

Capability = Literal["images", "audio", "files"]

# Seconds that connecting may take.
CONNECT_SECONDS: Final = 5.0
# Seconds without a new part of the answer: a long prompt on a busy server takes minutes to read.
READ_SECONDS: Final = 300.0


@dataclass(frozen=True, slots=True)
class UpstreamSpec:
    """A model that other servers answer for.

    `name` is the model's name here, `model` at the upstream. `urls` end before `/chat/completions`. `dialect` is a key
    of `DIALECTS`, or None: found by probing. `context_length` is in tokens; None: what the server reports.
    `tokenizer` is a directory or a GGUF file whose tokenizer counts prompts.
    """

    name: str
    urls: tuple[str, ...]
    model: str
    key: str | None = field(default=None, repr=False)
    dialect: str | None = None
    context_length: int | None = None
    capabilities: frozenset[Capability] = frozenset()
    tokenizer: Path | None = None
    connect_seconds: float = CONNECT_SECONDS
    read_seconds: float = READ_SECONDS

    def replicas(self) -> list[UpstreamReplica]:
        """A replica for each URL."""
        return [
            UpstreamReplica(f"{self.name}/{number}", url, self.key) for number, url in enumerate(self.urls, start=1)
        ]
