"""The names that `import forefront` has, and the cost of the import."""

import subprocess
import sys
from types import ModuleType

import pytest

import forefront

HEAVY = ["anyio", "httpx", "numpy", "openvino", "rich", "starlette", "typer", "uvicorn"]


def test_counts_are_exact() -> None:
    assert forefront.ForefrontClient is not None  # the names are loaded when the first is used
    public = {
        name
        for name, value in vars(forefront).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }
    assert public == set(forefront.__all__)
    assert forefront.__all__ == sorted(forefront.__all__)


def test_public_names() -> None:
    assert set(forefront.__all__) == {
        "APIConnectionError",
        "APIError",
        "APIStatusError",
        "APITimeoutError",
        "AssistantMessageParam",
        "AsyncChatStream",
        "AsyncForefrontClient",
        "AsyncStream",
        "AuthenticationError",
        "BadRequestError",
        "ChatCompletion",
        "ChatCompletionChunk",
        "ChatStream",
        "Choice",
        "ChoiceDelta",
        "ChunkChoice",
        "Completion",
        "CompletionChoice",
        "ConflictError",
        "Conversation",
        "DetokenizeResult",
        "Embedding",
        "EmbeddingList",
        "ForefrontClient",
        "ForefrontError",
        "GrammarParam",
        "InternalServerError",
        "InvalidArgumentError",
        "ItemList",
        "MessageParam",
        "Model",
        "ModelList",
        "NotFoundError",
        "ParseError",
        "ParsedCompletion",
        "PermissionDeniedError",
        "Preflight",
        "RankedDocument",
        "RateLimitError",
        "RawResponse",
        "Receipt",
        "RerankResult",
        "Response",
        "ResponseFormatParam",
        "ResponseMessage",
        "ResponseStreamEvent",
        "Stream",
        "SystemMessageParam",
        "Timeout",
        "TokenizeResult",
        "ToolCall",
        "ToolCallParam",
        "ToolChoiceParam",
        "ToolMessageParam",
        "ToolParam",
        "UnprocessableEntityError",
        "Usage",
        "UserMessageParam",
    }


def test_import_loads_no_server_code() -> None:
    script = "import sys; from forefront import ForefrontClient; print(*sorted(sys.modules))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split())
    assert not loaded.intersection(HEAVY)
    rooms = {name.split(".")[1] for name in loaded if name.startswith("forefront.")}
    assert rooms == {"client", "wire"}


def test_a_wrong_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'forefront' has no attribute 'Client'"):
        forefront.Client  # type: ignore[attr-defined]  # noqa: B018
