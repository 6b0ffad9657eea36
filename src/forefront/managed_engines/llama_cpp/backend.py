"""The backend of a model in llama.cpp: the local backend without the figures that llama.cpp does not report."""

from forefront.chat.local.local_backend import LocalBackend
from forefront.chat.local.preparation import RequestPreparer
from forefront.managed_engines.llama_cpp.engine import LlamaCppEngine
from forefront.wire.completions.request import CompletionRequest, SampledRequest
from forefront.wire.errors import RequestError


class LlamaCppBackend(LocalBackend):
    """Prompts, grammars, tools and stop strings are those of the local backend."""

    def __init__(self, engine: LlamaCppEngine, preparer: RequestPreparer) -> None:
        super().__init__(engine, preparer)
        self._child = engine

    def memory_bytes(self) -> int:
        """Resident memory of the engine's process."""
        return self._child.memory_bytes()

    def ignored(self, request: SampledRequest) -> tuple[str, ...]:
        """See `Backend.ignored`."""
        if isinstance(request, CompletionRequest) and request.echo and request.logprobs is not None:
            text = (
                "This model's engine, llama.cpp, has no log-probabilities of prompts: leave out `echo` or `logprobs`."
            )
            raise RequestError("unsupported_parameter", text, param="echo")
        return super().ignored(request)
