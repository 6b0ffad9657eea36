"""From the settings of a model to its loader."""
