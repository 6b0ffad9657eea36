"""From the chunks of an upstream to the events of an answer."""
