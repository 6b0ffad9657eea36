"""What one request asks of the engine, and how its tokens become an answer."""

from collections.abc import Sequence
from dataclasses import dataclass

from forefront.chat.output.choice_decoder import Answer
from forefront.engine.request import GenerateRequest


@dataclass(frozen=True, slots=True)
class Plan:
    """`requests`, one for each prompt, and `answers`, one for each choice, in the order of the prompts. `unenforced`
    are the paths of keywords of schemas that do not bind the answers."""

    requests: Sequence[GenerateRequest]
    answers: Sequence[Answer]
    unenforced: tuple[str, ...] = ()

    @property
    def prompt_tokens(self) -> int:
        """The tokens of all prompts."""
        return sum(len(request.prompt) for request in self.requests)

    @property
    def most_tokens(self) -> int:
        """The most tokens that all choices together can have."""
        return sum(request.max_tokens * request.n for request in self.requests)
