"""A backend that counts the work of the interpreter for requests to its server: a measure that load does not change."""

import json
import sys
from collections import Counter
from types import FrameType
from typing import Any

from forefront.fairness.tenant import Tenant
from forefront.wire.completions.request import ChatRequest, CompletionRequest
from tests.support.backends.instant import PROMPT, InstantBackend, InstantRequest

BEGIN = "begin to count"
REPORT = "report"


class CountingBackend(InstantBackend):
    """Counts calls of Python functions, and bytecode instructions by function, on the event loop's thread.

    The message `BEGIN` starts it. The answer to `REPORT` is a JSON object: `calls` and `instructions` since then.
    """

    def __init__(self) -> None:
        super().__init__()
        self._calls = 0
        self._instructions: Counter[str] = Counter()

    async def prepare(self, request: ChatRequest | CompletionRequest, tenant: Tenant) -> InstantRequest:
        """See `Backend.prepare`."""
        assert isinstance(request, ChatRequest)
        message = request.messages[-1].content
        if message == BEGIN:
            sys.settrace(self._trace)
        elif message == REPORT:
            sys.settrace(None)
            counts = {"calls": self._calls, "instructions": self._instructions}
            self._calls, self._instructions = 0, Counter()
            return InstantRequest(PROMPT, 1, json.dumps(counts))
        return await super().prepare(request, tenant)

    def _trace(self, frame: FrameType, event: str, _argument: object) -> Any:
        if event == "call":
            frame.f_trace_opcodes, frame.f_trace_lines = True, False
            self._calls += 1
        elif event == "opcode":
            code = frame.f_code
            self._instructions[f"{code.co_filename.rpartition('/src/')[2]}:{code.co_qualname}"] += 1
        return self._trace
