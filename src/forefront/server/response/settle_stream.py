"""A backend's events, less the end of the answer until the ledger has it."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from forefront.chat.events import ChoiceEnd, Completed, Event
from forefront.gateway.lease import Lease


async def settled(events: AsyncGenerator[Event, None], lease: Lease) -> AsyncGenerator[Event, None]:
    """The same events. The last choice's end, and what follows, come after the lease has been settled.

    Raises `ApiError` 503 in their place when the ledger cannot be written.
    """
    held: list[ChoiceEnd] = []
    try:
        async with aclosing(events):
            async for event in events:
                if isinstance(event, Completed):
                    await lease.settle("completed", held[-1].reason if held else None)
                elif isinstance(event, ChoiceEnd):
                    held.append(event)
                    continue
                for end in held:
                    yield end
                held.clear()
                yield event
    except Exception:
        lease.abandon("failed")
        raise
