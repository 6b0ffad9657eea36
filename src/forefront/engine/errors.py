"""Errors of the engine."""


class EngineError(Exception):
    """Base of the engine's errors."""


class ContextExceededError(EngineError):
    """Prompt and requested output together never fit, even into an empty engine. All attributes are in tokens."""

    def __init__(self, prompt: int, max_tokens: int, limit: int) -> None:
        self.prompt, self.max_tokens, self.limit = prompt, max_tokens, limit
        self.excess = prompt + max_tokens - limit
        super().__init__(f"{prompt} prompt + {max_tokens} new tokens exceed the limit of {limit} by {self.excess}")


class StepFailedError(EngineError):
    """The model failed in a step that this generation was part of."""


class ConstraintError(EngineError):
    """The constraint of this generation failed, or allowed no token. The cause is its `__cause__`, if any."""


class EngineStoppedError(EngineError):
    """The engine was stopped before the generation ended."""


class EngineUnavailableError(EngineError):
    """The engine restarts. Retry after `retry_after` seconds."""

    def __init__(self, retry_after: float) -> None:
        self.retry_after = retry_after
        super().__init__("the engine restarts")
