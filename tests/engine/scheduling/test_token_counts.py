"""Token counts and block tables against their definitions."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from forefront.engine.kv_blocks.block_table import BlockTable
from forefront.engine.scheduling.token_counts import TokenCounts

tokens = st.lists(st.integers(0, 300), max_size=400)


@given(tokens, tokens, tokens)
def test_counts_follow_a_growing_output(prompt: list[int], output: list[int], later: list[int]) -> None:
    counts = TokenCounts(prompt, output)
    for token in later:
        counts.add(token)
    expected = Counter(output + later)
    found = dict(zip(counts.tokens.tolist(), counts.output_counts.tolist(), strict=True))
    assert found == {token: expected[token] for token in {*prompt, *output, *later}}


@given(st.lists(st.lists(st.integers(0, 2**31 - 1), max_size=30), max_size=20))
def test_a_block_table_is_a_list_that_grows(parts: list[list[int]]) -> None:
    table, expected = BlockTable(), list[int]()
    for part in parts:
        table.extend(part)
        expected += part
        assert (len(table), table.tolist()) == (len(expected), expected)
    assert table.clear() == expected
    assert len(table) == 0
