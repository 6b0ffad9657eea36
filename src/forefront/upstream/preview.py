"""The prompt of a request as its upstream would read it, for servers that show it."""

from typing import Any, Final

import msgspec

from forefront.chat.backend import PromptPreview
from forefront.upstream.detection import server_root
from forefront.upstream.dialects import Dialect
from forefront.upstream.error_mapping import error_of, malformed_error, read_error
from forefront.upstream.http_client import UpstreamClient
from forefront.upstream.replica import Replica
from forefront.upstream.spec import UpstreamSpec
from forefront.wire.errors import ApiError

_SECONDS: Final = 30.0
# Fields of a request that form its prompt.
_PROMPT_FIELDS: Final = (
    "model", "messages", "tools", "tool_choice", "reasoning_effort", "response_format", "continue_final_message",
    "add_generation_prompt",
)  # fmt: skip


async def preview(
    client: UpstreamClient,
    replica: Replica,
    dialect: Dialect,
    spec: UpstreamSpec,
    body: bytes,
    max_tokens: int | None,
) -> PromptPreview:
    """The preview of the request `body`.

    Raises `ApiError` 400 for servers that show no prompts, and `UpstreamError`.
    """
    if dialect.preview is None:
        text = f"The model `{spec.name}` has no preflight: its upstream ({dialect.name}) shows no prompts."
        raise ApiError("unsupported_parameter", text, param="model")
    fields: dict[str, Any] = msgspec.json.decode(body)
    request = {name: fields[name] for name in _PROMPT_FIELDS if name in fields}
    asked = _Asked(client, replica)
    if dialect.preview == "preflight":
        found = await asked.post(f"{replica.base_url}/chat/completions/preflight", request)
        return PromptPreview(
            asked.text(found, "prompt"),
            asked.count(found, "prompt_tokens"),
            asked.count(found, "cached_tokens"),
            max_tokens,
        )
    root = server_root(replica)
    if dialect.preview == "apply_template":
        prompt = asked.text(await asked.post(f"{root}/apply-template", request), "prompt")
        tokenize = {"content": prompt, "add_special": True, "parse_special": True}
        tokens = asked.tokens(await asked.post(f"{root}/tokenize", tokenize))
        return PromptPreview(prompt, len(tokens), 0, max_tokens)
    tokens = asked.tokens(await asked.post(f"{root}/tokenize", request))
    found = await asked.post(f"{root}/detokenize", {"model": spec.model, "tokens": tokens})
    return PromptPreview(asked.text(found, "prompt"), len(tokens), 0, max_tokens)


class _Asked:
    """Requests to one replica, and the members of its answers. All methods raise `UpstreamError`."""

    def __init__(self, client: UpstreamClient, replica: Replica) -> None:
        self._client = client
        self._replica = replica

    async def post(self, url: str, body: object) -> dict[str, Any]:
        status, found = await self._client.post(self._replica, url, body, _SECONDS)
        if status != 200:
            raise error_of(read_error(found), status, self._replica)
        if not isinstance(found, dict):
            raise malformed_error(self._replica, "its preview is no object")
        return found

    def text(self, found: dict[str, Any], name: str) -> str:
        value = found.get(name)
        if not isinstance(value, str):
            raise malformed_error(self._replica, f"its preview has no {name}")
        return value

    def count(self, found: dict[str, Any], name: str) -> int:
        value = found.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise malformed_error(self._replica, f"its preview has no {name}")
        return value

    def tokens(self, found: dict[str, Any]) -> list[int]:
        value = found.get("tokens")
        if not isinstance(value, list) or not all(isinstance(token, int) for token in value):
            raise malformed_error(self._replica, "its preview has no tokens")
        return value
