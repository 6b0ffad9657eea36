"""The error of this package."""


class ModelFileError(ValueError):
    """A model file cannot be used. The text is one sentence for the operator, without the file's path."""
