"""The operations of tokens, models and usage."""

from typing import Final

from forefront.server.openapi.operation import NOT_FOUND, STORE, TOKENS, Operation, PathId
from forefront.wire.admin.records import CompletionUsage
from forefront.wire.models import Model, ModelList
from forefront.wire.tokens import DetokenizeRequest, DetokenizeResult, TokenizeRequest, TokenizeResult

MODEL_OPERATIONS: Final = (
    Operation(
        method="POST", path="/v1/tokenize", group="Tokens", name="tokenize", scope="chat",
        summary="The tokens of a text or a conversation",
        description="It costs nothing, but counts as a request towards limits.",
        body=TokenizeRequest, example={"model": "forefront-mini", "prompt": "Once upon a time"}, answer=TokenizeResult,
        errors=TOKENS,
    ),
    Operation(
        method="POST", path="/v1/detokenize", group="Tokens", name="detokenize", scope="chat",
        summary="The text of tokens", description="It costs nothing, but counts as a request towards limits.",
        body=DetokenizeRequest, example={"model": "forefront-mini", "tokens": [1, 2, 3]}, answer=DetokenizeResult,
        errors=TOKENS,
    ),
    Operation(
        method="GET", path="/v1/models", group="Models", name="listModels", scope="models",
        summary="Every model that the key may use",
        description="With the header `anthropic-version`, in the form of Anthropic's list, by pages.", answer=ModelList,
    ),
    Operation(
        method="GET", path="/v1/models/{id}", group="Models", name="retrieveModel", scope="models",
        summary="One model", answer=Model, path_types={"id": PathId},
        errors=("model_not_allowed", "model_not_found", "unknown_url"),
    ),
    Operation(
        method="GET", path="/v1/usage/{id}", group="Usage", name="retrieveUsage",
        summary="The usage of one completion",
        description="Exact even if the client disconnected early. For keys of its project and for administrators, "
        "once the completion has ended.",
        answer=CompletionUsage, path_types={"id": PathId}, errors=NOT_FOUND + STORE,
    ),
)  # fmt: skip
