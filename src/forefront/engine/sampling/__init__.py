"""From logits to tokens: draws, penalties, masks, log-probabilities."""
