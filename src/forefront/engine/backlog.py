"""Sampled tokens that have not been read: bounded, and counted per tenant."""

from collections.abc import Callable, Sequence
from typing import Final

from forefront.engine.generation import Token
from forefront.fairness.quota import Quota
from forefront.fairness.tenant import Tenant

# In records of about 100 bytes: a token, or an alternative with its log-probability.
CAPACITY: Final = 2**19
# Each generation may always hold these records, so a reader a few steps late costs no recomputation.
ALLOWANCE: Final = 256


class Backlog:
    """The unread tokens of one generation, held in its tenant's `quota`; on the event loop.

    `pause` is called when the generation exceeds its allowance and its tenant its quota, `resume` once the tokens have
    been read after that. Tokens sampled in between still arrive. A reader that keeps up costs nothing.
    """

    def __init__(self, quota: Quota, tenant: Tenant, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        self._quota, self._owner = quota, tenant.name
        self._pause: Callable[[], None] | None = pause
        self._resume: Callable[[], None] | None = resume
        self._held = 0
        self._paused = False

    def hold(self, unread: Sequence[Token], *, last: bool) -> None:
        """Account for `unread`, all tokens not taken yet. After the `last` token there is nothing to pause."""
        first = unread[0]
        size = len(unread) * (1 + len(first.top))
        if scores := first.prompt:
            size += len(scores) * (1 + len(scores[-1].top))
        self._quota.hold(self._owner, size - self._held)
        self._held = size
        if not (last or self._paused) and size > ALLOWANCE and not self._quota.fits(self._owner, 0):
            self._paused = True
            if self._pause is not None:
                self._pause()

    def clear(self) -> None:
        """Account for a reader that has taken all tokens."""
        if not self._held:
            return
        self._quota.give_back(self._owner, self._held)
        self._held = 0
        if self._paused:
            self._paused = False
            if self._resume is not None:
                self._resume()

    def end(self) -> None:
        """The engine has released the generation: there is nothing left to pause."""
        self._pause = self._resume = None
