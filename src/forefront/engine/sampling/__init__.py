"""From logits to tokens: sampler, log-probabilities, constraints."""
