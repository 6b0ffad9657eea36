"""What form an answer must have, as the engine's constraint."""

from typing import Any

from forefront.wire.request import ChatRequest, CompletionRequest


class Former:
    """Makes constraints for one model."""

    async def chat(self, request: ChatRequest) -> Any:
        """The constraint of a chat answer, None for none."""
        return None

    async def text(self, request: CompletionRequest) -> Any:
        return None
