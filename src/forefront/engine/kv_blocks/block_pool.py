"""The pool of KV blocks: free, held, or cached for a prefix that another sequence may share."""

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from hashlib import blake2b

import numpy as np


def block_hash(parent: bytes, tokens: Sequence[int], salt: bytes) -> bytes:
    """The 128-bit hash of a full block: of its tokens and of all tokens before it.

    `parent` is the hash of the block before it, empty for the first. `salt` separates tenants: another salt neither
    finds the block nor learns from timing that it exists. The hash is cryptographic because prompts are untrusted and
    two prefixes must not collide.
    """
    return blake2b(np.asarray(tokens, np.int64).tobytes() + parent, digest_size=16, key=salt[:64]).digest()


def extend_block_hashes(hashes: list[bytes], tokens: Sequence[int], end: int, block_size: int, salt: bytes) -> None:
    """Append to `hashes`, those of the first full blocks of `tokens`, the hashes of the others within `end` tokens."""
    for index in range(len(hashes), end // block_size):
        parent = hashes[-1] if hashes else b""
        hashes.append(block_hash(parent, tokens[index * block_size : (index + 1) * block_size], salt))


class BlockPool:
    """A fixed number of blocks of `block_size` tokens, reference-counted.

    A block is free, held by one or more sequences, or cached: held by none, with the end of a prefix under its hash.
    Cached blocks are allocated again, least recently used first, when no block is free.
    """

    def __init__(self, count: int, block_size: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.count, self.block_size = count, block_size
        self.evictions = 0  # cached blocks that were allocated again
        self._clock = clock
        self._retained_since = clock()
        self._references = [0] * count
        self._free = list(range(count - 1, -1, -1))
        self._cached: OrderedDict[int, float] = OrderedDict()  # block → when its last holder released it
        self._hash_of: dict[int, bytes] = {}
        self._block_of: dict[bytes, int] = {}

    @property
    def available(self) -> int:
        """Blocks that can be allocated now."""
        return len(self._free) + len(self._cached)

    @property
    def held(self) -> int:
        """Blocks that sequences hold."""
        return self.count - self.available

    @property
    def retained_seconds(self) -> float:
        """Full blocks released within the last `retained_seconds` are still cached; earlier ones are evicted."""
        return self._clock() - self._retained_since

    def allocate(self, count: int) -> list[int] | None:
        """`count` blocks for one holder, or None, without any change, when fewer are available."""
        if count > self.available:
            return None
        blocks = [self._free.pop() if self._free else self._evict() for _ in range(count)]
        for block in blocks:
            self._references[block] = 1
        return blocks

    def share(self, blocks: Sequence[int]) -> None:
        """Add a holder to each of `blocks`."""
        for block in blocks:
            if self._references[block] == 0:
                del self._cached[block]
            self._references[block] += 1

    def release(self, blocks: Sequence[int]) -> None:
        """Remove a holder from each of `blocks`, the blocks of one sequence in order.

        The last ones are evicted first: a prefix serves more sequences than its continuation.
        """
        now = self._clock()
        for block in reversed(blocks):
            self._references[block] -= 1
            if self._references[block] == 0:
                if block in self._hash_of:
                    self._cached[block] = now
                else:
                    self._free.append(block)

    def register(self, block: int, digest: bytes) -> None:
        """Register a full, computed block for `match_prefix`. Of several with one hash, only the first is found."""
        if digest not in self._block_of:
            self._block_of[digest] = block
            self._hash_of[block] = digest

    def match_prefix(self, hashes: Sequence[bytes]) -> list[int]:
        """The blocks of the longest cached prefix of `hashes`. They are not held yet: see `share`."""
        blocks = []
        for digest in hashes:
            block = self._block_of.get(digest)
            if block is None:
                break
            blocks.append(block)
        return blocks

    def _evict(self) -> int:
        block, self._retained_since = self._cached.popitem(last=False)
        del self._block_of[self._hash_of.pop(block)]
        self.evictions += 1
        return block
