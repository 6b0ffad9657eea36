"""Why a generation is refused or ends without a result."""


class EngineError(Exception):
    """Base of what the engine raises."""


class ContextExceededError(EngineError):
    """Prompt and requested answer together do not fit, not even into an otherwise empty engine. All in tokens."""

    def __init__(self, prompt: int, max_tokens: int, limit: int) -> None:
        self.prompt, self.max_tokens, self.limit = prompt, max_tokens, limit
        self.excess = prompt + max_tokens - limit
        super().__init__(f"{prompt} prompt + {max_tokens} new tokens exceed the limit of {limit} by {self.excess}")


class StepFailedError(EngineError):
    """The model failed while it ran a batch that this generation was part of."""


class ConstraintError(EngineError):
    """The constraint of this generation failed, or left no token to take. The cause is its `__cause__`, if any."""


class EngineStoppedError(EngineError):
    """The engine was stopped before the generation ended."""
