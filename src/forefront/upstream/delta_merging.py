"""Fewer, larger parts of an answer when several arrive together: encoding each of them would take most of the time."""

from collections.abc import Iterable, Iterator

from forefront.chat.events import Event, TextDelta


def merged(events: Iterable[Event]) -> Iterator[Event]:
    """The events, with neighbouring texts of one choice joined. Those with log-probabilities stay as they are.

    An exception of `events` comes after everything that preceded it.
    """
    texts: list[str] = []
    index = -1
    try:
        for event in events:
            if type(event) is TextDelta and event.logprobs is None:
                if event.index != index and texts:
                    yield TextDelta(index, "".join(texts))
                    texts = []
                index = event.index
                texts.append(event.text)
                continue
            if texts:
                yield TextDelta(index, "".join(texts))
                texts = []
            yield event
    except Exception:
        if texts:
            yield TextDelta(index, "".join(texts))
        raise
    if texts:
        yield TextDelta(index, "".join(texts))
