"""The compiled graph: device, KV cache, inputs and logits."""
