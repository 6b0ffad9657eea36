"""Seed-OSS."""

from forefront.graph.decoder import Decoder
from forefront.graph.operations import Node


class SeedOss(Decoder):
    """The norm before the feed-forward network has another name."""

    def layer(self, n: int, x: Node) -> Node:
        """See `Decoder.layer`."""
        x = self.add(self.output_rows(n, x), self.attention(n, self.norm(x, f"blk.{n}.attn_norm")))
        return self.add(x, self.feed_forward(n, self.norm(x, f"blk.{n}.post_attention_norm")))
