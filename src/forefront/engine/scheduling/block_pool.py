"""The KV blocks: which are free, who holds them, and which hold a prefix that another sequence can use."""

from collections import OrderedDict
from collections.abc import Sequence
from hashlib import blake2b

import numpy as np


def block_key(parent: bytes, tokens: Sequence[int], salt: bytes) -> bytes:
    """The name of a full block: a 128-bit hash of all tokens up to its end.

    `parent` is the key of the block before it (empty for the first). `salt` separates tenants: whoever has another
    salt can neither find the block nor learn from timing that it exists. The hash is cryptographic because prompts
    come from strangers, who must not be able to make two prefixes collide.
    """
    return blake2b(np.asarray(tokens, np.int64).tobytes() + parent, digest_size=16, key=salt[:64]).digest()


def extend_keys(keys: list[bytes], tokens: Sequence[int], upto: int, size: int, salt: bytes) -> None:
    """Append to `keys`, which name the first full blocks of `tokens`, the names of the others within `upto` tokens."""
    for index in range(len(keys), upto // size):
        parent = keys[-1] if keys else b""
        keys.append(block_key(parent, tokens[index * size : (index + 1) * size], salt))


class BlockPool:
    """A fixed number of blocks of `size` tokens, reference-counted.

    A block is free, held (by one or more sequences) or kept: held by nobody but still holding a full prefix under its
    key. Kept blocks are handed out again, least recently used first, once no block is free.
    """

    def __init__(self, count: int, size: int) -> None:
        self.count, self.size = count, size
        self.evictions = 0  # blocks that held a prefix and were handed out for another
        self._references = [0] * count
        self._free = list(range(count - 1, -1, -1))
        self._kept: OrderedDict[int, None] = OrderedDict()
        self._key_of: dict[int, bytes] = {}
        self._block_of: dict[bytes, int] = {}

    @property
    def available(self) -> int:
        """How many blocks can be allocated now."""
        return len(self._free) + len(self._kept)

    @property
    def held(self) -> int:
        """How many blocks sequences hold."""
        return self.count - self.available

    def allocate(self, count: int) -> list[int] | None:
        """`count` blocks for the caller alone, or None (and nothing changed) when there are not that many."""
        if count > self.available:
            return None
        blocks = [self._free.pop() if self._free else self._evict() for _ in range(count)]
        for block in blocks:
            self._references[block] = 1
        return blocks

    def share(self, blocks: Sequence[int]) -> None:
        """Count one more holder of each of `blocks`."""
        for block in blocks:
            if self._references[block] == 0:
                del self._kept[block]
            self._references[block] += 1

    def release(self, blocks: Sequence[int]) -> None:
        """Count one holder less of each of `blocks`, which are a sequence's blocks in order.

        The last ones are evicted first: a prefix is of use to more sequences than what follows it.
        """
        for block in reversed(blocks):
            self._references[block] -= 1
            if self._references[block] == 0:
                if block in self._key_of:
                    self._kept[block] = None
                else:
                    self._free.append(block)

    def register(self, block: int, key: bytes) -> None:
        """Make a full, computed block findable. The first block under a key stays; its twin remains private."""
        if key not in self._block_of:
            self._block_of[key] = block
            self._key_of[block] = key

    def find(self, keys: Sequence[bytes]) -> list[int]:
        """The blocks of the longest prefix of `keys` that is there, not yet shared: call `share` to hold them."""
        blocks = []
        for key in keys:
            block = self._block_of.get(key)
            if block is None:
                break
            blocks.append(block)
        return blocks

    def _evict(self) -> int:
        block, _ = self._kept.popitem(last=False)
        del self._block_of[self._key_of.pop(block)]
        self.evictions += 1
        return block
