"""The methods of the SDK: chat completions, completions, models."""
