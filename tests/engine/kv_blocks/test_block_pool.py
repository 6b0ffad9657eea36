"""Blocks: allocation, sharing, prefix keys, eviction."""

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from forefront.engine.kv_blocks.block_pool import BlockPool, block_hash


def test_allocates_all_or_nothing() -> None:
    pool = BlockPool(4, 32)
    assert pool.allocate(5) is None
    assert pool.available == 4
    blocks = pool.allocate(4)
    assert blocks is not None
    assert sorted(blocks) == [0, 1, 2, 3]
    assert pool.allocate(1) is None


def test_a_registered_block_is_found_after_its_sequence_ended() -> None:
    pool = BlockPool(2, 32)
    [block] = pool.allocate(1) or []
    key = block_hash(b"", [1, 2, 3], b"tenant")
    pool.register(block, key)
    pool.release([block])
    assert pool.available == 2
    assert pool.match_prefix([key]) == [block]
    pool.share([block])
    assert pool.available == 1


def test_least_recently_used_is_evicted_first_and_last_block_of_a_prefix_before_its_first() -> None:
    pool = BlockPool(3, 32)
    older, newer = pool.allocate(2) or []
    last = (pool.allocate(1) or [])[0]
    keys = [bytes([n]) for n in range(3)]
    for block, key in zip((older, newer, last), keys, strict=True):
        pool.register(block, key)
    pool.release([older])
    pool.release([newer, last])
    assert pool.evictions == 0
    assert pool.allocate(1) == [older]
    assert pool.allocate(1) == [last]
    assert pool.evictions == 2
    assert pool.match_prefix([keys[1]]) == [newer]
    assert pool.match_prefix([keys[0]]) == []


def test_blocks_released_within_the_retained_seconds_are_cached() -> None:
    now = 100.0
    pool = BlockPool(2, 32, lambda: now)
    now = 107.0
    assert pool.retained_seconds == 7
    for key in (b"a", b"b"):
        [block] = pool.allocate(1) or []
        pool.register(block, key)
        pool.release([block])
        now += 1
    now = 110.0
    pool.allocate(1)
    assert pool.match_prefix([b"a"]) == []
    assert pool.retained_seconds == 3
    assert pool.match_prefix([b"b"]) != []


def test_find_stops_at_the_first_block_that_is_missing() -> None:
    pool = BlockPool(3, 32)
    blocks = pool.allocate(3) or []
    pool.register(blocks[0], b"a")
    pool.register(blocks[2], b"c")
    assert pool.match_prefix([b"a", b"b", b"c"]) == [blocks[0]]


def test_twin_of_a_registered_block_stays_private() -> None:
    pool = BlockPool(2, 32)
    first, second = pool.allocate(2) or []
    pool.register(first, b"k")
    pool.register(second, b"k")
    pool.release([second])
    pool.release([first])
    assert pool.match_prefix([b"k"]) == [first]


@given(st.lists(st.integers(0, 2**31), min_size=1), st.binary(max_size=80), st.binary(max_size=80))
def test_keys_differ_by_tenant(tokens: list[int], one: bytes, other: bytes) -> None:
    same = one[:64] == other[:64]  # the length of a key is part of the hash
    assert (block_hash(b"", tokens, one) == block_hash(b"", tokens, other)) == same


def test_keys_differ_by_parent_and_tokens() -> None:
    keys = {block_hash(parent, tokens, b"") for parent in (b"", b"x" * 16) for tokens in ([1, 2], [2, 1])}
    assert len(keys) == 4


class PoolMachine(RuleBasedStateMachine):
    """Whatever is allocated, shared, registered and released in any order, no block is lost or handed out twice."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = BlockPool(8, 32)
        self.holders: list[list[int]] = []
        self.keys = 0

    @rule(count=st.integers(0, 9))
    def allocate(self, count: int) -> None:
        available = self.pool.available
        blocks = self.pool.allocate(count)
        assert (blocks is None) == (count > available)
        if blocks is not None:
            held = {block for holder in self.holders for block in holder}
            assert not held & set(blocks)
            self.holders.append(blocks)

    @precondition(lambda self: self.holders)
    @rule(data=st.data())
    def share(self, data: st.DataObject) -> None:
        blocks = data.draw(st.sampled_from(self.holders))
        self.pool.share(blocks)
        self.holders.append(list(blocks))

    @precondition(lambda self: self.holders)
    @rule(data=st.data())
    def register(self, data: st.DataObject) -> None:
        for block in data.draw(st.sampled_from(self.holders)):
            if block not in self.pool._hash_of:
                self.keys += 1
                self.pool.register(block, str(self.keys).encode())

    @precondition(lambda self: self.holders)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        index = data.draw(st.integers(0, len(self.holders) - 1))
        self.pool.release(self.holders.pop(index))

    @rule(data=st.data())
    def find_and_share(self, data: st.DataObject) -> None:
        key = str(data.draw(st.integers(1, max(self.keys, 1)))).encode()
        found = self.pool.match_prefix([key])
        self.pool.share(found)
        if found:
            self.holders.append(found)

    @invariant()
    def counts_add_up(self) -> None:
        held = {block for holder in self.holders for block in holder}
        assert self.pool.held == len(held)


TestPoolMachine = PoolMachine.TestCase
