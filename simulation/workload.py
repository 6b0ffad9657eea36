"""Conversations of skewed tenants: common system prompts, turns that repeat the conversation so far, bursts."""

import itertools
import random
from bisect import bisect
from collections.abc import Iterator
from dataclasses import dataclass, field

from forefront.fairness.tenant import Tenant
from simulation.replica import BLOCK_SIZE

# Texts are ranges of token ids, which no other text has.
_LONGEST = 1 << 14


@dataclass(frozen=True, slots=True)
class WorkloadSettings:
    """Of all conversations.

    `rate`: new conversations per second, times `burst` from `burst_at[0]` to `burst_at[1]`. Tenant k (from 1) has a
    share proportional to k ** -`skew`. The rest are ranges or means in tokens and seconds; `turns` is a mean.
    """

    tenants: int
    rate: float
    skew: float = 1.1
    head: tuple[int, int] = (400, 1200)
    message: tuple[int, int] = (20, 120)
    answer: tuple[int, int] = (40, 200)
    turns: float = 3.0
    think_seconds: float = 8.0
    burst: float = 1.0
    burst_at: tuple[float, float] = (0.0, 0.0)


@dataclass(slots=True)
class Conversation:
    """A conversation of one tenant: texts as first token and length, the system prompt first."""

    number: int
    tenant_number: int
    tenant: Tenant
    texts: list[tuple[int, int]]
    keys: list[bytes] = field(default_factory=list)
    length: int = 0

    def tokens(self) -> list[int]:
        """The tokens so far."""
        return list(itertools.chain.from_iterable(range(first, first + length) for first, length in self.texts))

    def add(self, first: int, length: int) -> None:
        """Append a text."""
        self.texts.append((first, length))
        self.length += length

    def block_keys(self, length: int) -> list[bytes]:
        """Keys of the full blocks of its first `length` tokens, equal in all conversations while the system prompt
        lasts. Other than the router's, they cost no hashing."""
        head = self.texts[0][1]
        for index in range(len(self.keys), length // BLOCK_SIZE):
            common = (index + 1) * BLOCK_SIZE <= head
            owner = self.tenant_number if common else self.number
            self.keys.append(owner.to_bytes(6, "big") + index.to_bytes(2, "big") + bytes([common]))
        return self.keys


class Workload:
    """Draws conversations. All draws come from one seed."""

    def __init__(self, settings: WorkloadSettings, seed: int) -> None:
        self.settings = settings
        self.chance = random.Random(seed)
        weights = [number**-settings.skew for number in range(1, settings.tenants + 1)]
        self._cumulative = list(itertools.accumulate(weights))
        self._numbers = itertools.count()
        self._firsts = itertools.count(settings.tenants * _LONGEST, _LONGEST)
        self._tenants: dict[int, Tenant] = {}

    def pauses(self, now: float) -> Iterator[float]:
        """Seconds between the starts of conversations, from `now` on."""
        settings = self.settings
        while True:
            start, end = settings.burst_at
            pause = self.chance.expovariate(settings.rate * (settings.burst if start <= now < end else 1.0))
            now += pause
            yield pause

    def conversation(self) -> Conversation:
        """A new conversation, with its system prompt."""
        position = self.chance.random() * self._cumulative[-1]
        number = bisect(self._cumulative, position)
        tenant = self._tenants.setdefault(number, Tenant(f"tenant-{number}"))
        conversation = Conversation(next(self._numbers), number, tenant, [])
        low, high = self.settings.head
        conversation.add(number * _LONGEST, low + number * 7919 % (high - low + 1))
        return conversation

    def turns(self) -> int:
        """How many turns a conversation has."""
        return 1 + min(int(self.chance.expovariate(1 / max(self.settings.turns - 1, 1e-9))), 12)

    def text(self, bounds: tuple[int, int]) -> tuple[int, int]:
        """A new text: first token and length."""
        return next(self._firsts), self.chance.randint(*bounds)
