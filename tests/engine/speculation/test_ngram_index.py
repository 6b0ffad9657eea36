"""The index of n-grams and the recent outputs of tenants, against their definitions."""

from hypothesis import given, settings
from hypothesis import strategies as st

from forefront.engine.speculation.ngram_index import MAX_MATCH, NGRAM, NgramIndex
from forefront.engine.speculation.recent_outputs import OutputsByTenant, RecentOutputs

few_tokens = st.lists(st.integers(0, 3), max_size=60)
parts = st.lists(st.one_of(few_tokens, st.lists(st.integers(0, 200_000), max_size=400)), max_size=8)


def occurrences(text: list[int], context: list[int]) -> list[int]:
    """The positions after the last n-gram of `context`, but for the end of the text."""
    gram = context[-NGRAM:]
    return [place for place in range(NGRAM, len(text)) if text[place - NGRAM : place] == gram]


def common(text: list[int], place: int, context: list[int]) -> int:
    pairs = zip(reversed(text[:place]), reversed(context), strict=False)
    count = 0
    for one, other in pairs:
        if one != other or count == MAX_MATCH:
            break
        count += 1
    return count


@given(parts, few_tokens)
@settings(max_examples=100, deadline=None)
def test_every_match_is_an_occurrence_and_a_single_occurrence_is_found(
    texts: list[list[int]], context: list[int]
) -> None:
    index, text = NgramIndex(), list[int]()
    for part in texts:
        index.extend(part)
        text += part
    assert index.text.tolist() == text
    for end in (text, context, [*context, *text[:40]], text[: len(text) // 2]):
        found = occurrences(text, end) if len(end) >= NGRAM else []
        place, match = index.find(end)
        # Another n-gram with the same hash may hide an occurrence, but few tokens have no such neighbours.
        assert place in found or (place, match) == (0, 0)
        if max(text, default=0) <= 3:
            assert place == max(found, default=0)
        if place:
            assert match == common(text, place, end) >= NGRAM


@given(parts)
@settings(max_examples=50, deadline=None)
def test_parts_give_the_index_of_the_whole(texts: list[list[int]]) -> None:
    index = NgramIndex()
    for part in texts:
        index.extend(part)
    whole = NgramIndex([token for part in texts for token in part])
    single = NgramIndex()
    for token in whole.text:
        single.extend([token])
    assert index._table == whole._table == single._table


def test_the_memory_of_an_index_is_linear() -> None:
    for length in (1, 100, 1000, 5000, 70_000):
        index = NgramIndex(range(length))
        index.extend([7])
        assert len(index._table) <= max(4 * (length + 1), 256)


def test_recent_outputs_keep_the_latest_and_are_bounded() -> None:
    outputs = RecentOutputs()
    for n in range(300):
        outputs.add(range(1000 * n, 1000 * n + 100))
        source, place, match = outputs.find([5, *range(1000 * n + 30, 1000 * n + 40)])
        assert (source.text[place : place + 3].tolist(), match) == ([1000 * n + 40 + k for k in range(3)], 10)
        assert len(outputs._newer) + len(outputs._older) <= 2 * 4096
    # Those of an hour ago are forgotten, those of a while ago are not.
    assert outputs.find(range(30, 40))[2] == 0
    assert outputs.find(range(270_030, 270_040))[2] == 10
    outputs.add(range(10**6, 10**6 + 50_000))
    assert len(outputs._newer) <= 4096
    assert outputs.find(range(10**6 + 49_000, 10**6 + 49_010))[2] == 10


def test_tenants_with_recent_outputs_are_bounded_and_apart() -> None:
    outputs = OutputsByTenant()
    for n in range(200):
        outputs.add(f"t{n}", range(1000 * n, 1000 * n + 100))
        assert len(outputs) <= 64
    assert outputs.of("t3") is None
    found = outputs.of("t199")
    assert found is not None
    # A collision of hashes hides some places.
    assert max(found.find(range(start, start + 10))[2] for start in range(199_010, 199_020)) == 10
    assert found.find(range(198_010, 198_020))[2] == 0
