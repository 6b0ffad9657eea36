"""Prompts and tokens as an upstream sees them, for servers that show them."""

from collections.abc import Sequence
from typing import Any, Final

from forefront.chat.backend import PromptPreview, TokenizedText
from forefront.upstream.detection import server_root
from forefront.upstream.dialects import Dialect
from forefront.upstream.encoding.request_encoder import RequestEncoder
from forefront.upstream.error_mapping import error_of, malformed_error, read_error
from forefront.upstream.http.http_client import UpstreamClient
from forefront.upstream.replica import UpstreamReplica
from forefront.upstream.spec import UpstreamSpec
from forefront.wire.completions.request import ChatRequest
from forefront.wire.errors import RequestError
from forefront.wire.parsing.json_decoder import decode_json
from forefront.wire.tokens import TokenizeRequest

_SECONDS: Final = 30.0
# Fields of a request that form its prompt.
_PROMPT_FIELDS: Final = (
    "model", "messages", "tools", "tool_choice", "reasoning_effort", "chat_template_kwargs", "response_format",
    "continue_final_message", "add_generation_prompt",
)  # fmt: skip


class TokenEndpoints:
    """The endpoints of one replica. All methods raise `UpstreamError`, and `RequestError` 400 for servers without
    them."""

    def __init__(self, client: UpstreamClient, replica: UpstreamReplica, dialect: Dialect, spec: UpstreamSpec) -> None:
        self._client = client
        self._replica = replica
        self._dialect = dialect
        self._spec = spec
        self._root = replica.base_url if dialect.preview == "preflight" else server_root(replica)

    async def preview(self, request: ChatRequest) -> PromptPreview:
        """The prompt of a request."""
        fields = self._prompt_fields(request)
        if self._dialect.preview == "preflight":
            found = await self._post(f"{self._root}/chat/completions/preflight", fields)
            prompt, cached = self._count(found, "prompt_tokens"), self._count(found, "cached_tokens")
            return PromptPreview(self._text(found, "prompt"), prompt, cached, request.max_tokens)
        if self._dialect.preview == "apply_template":
            text, tokens = await self._template(fields, pieces=False)
            return PromptPreview(text, len(tokens.tokens), 0, request.max_tokens)
        tokens = self._tokenized(await self._post(f"{self._root}/tokenize", fields))
        return PromptPreview(await self.detokenize(tokens.tokens), len(tokens.tokens), 0, request.max_tokens)

    async def tokenize(self, request: TokenizeRequest) -> TokenizedText:
        """The tokens of a text or a conversation."""
        pieces = bool(request.return_token_strs)
        special = request.add_special_tokens is not False
        chat = request.conversation
        if self._dialect.preview == "apply_template":
            if chat is not None:
                return (await self._template(self._prompt_fields(chat), pieces=pieces))[1]
            return await self._llama_tokens(request.prompt or "", special=special, pieces=pieces)
        fields: dict[str, Any] = {"model": self._spec.model, "prompt": request.prompt, "add_special_tokens": special}
        if chat is not None:
            fields = self._prompt_fields(chat)
        found = await self._post(f"{self._root}/tokenize", fields | {"return_token_strs": pieces})
        return self._tokenized(found)

    async def detokenize(self, tokens: Sequence[int]) -> str:
        """The text of tokens."""
        self._require()
        found = await self._post(f"{self._root}/detokenize", {"model": self._spec.model, "tokens": list(tokens)})
        return self._text(found, "content" if self._dialect.preview == "apply_template" else "prompt")

    def _require(self) -> None:
        if self._dialect.preview is None:
            text = f"The model `{self._spec.name}` shows no tokens: its upstream ({self._dialect.name}) does not."
            raise RequestError("unsupported_parameter", text, param="model")

    def _prompt_fields(self, request: ChatRequest) -> dict[str, Any]:
        self._require()
        fields = decode_json(RequestEncoder(self._spec, self._dialect).encode(request))
        return {name: fields[name] for name in _PROMPT_FIELDS if name in fields}

    async def _template(self, fields: dict[str, Any], *, pieces: bool) -> tuple[str, TokenizedText]:
        """llama.cpp: the prompt, and its tokens."""
        prompt = self._text(await self._post(f"{self._root}/apply-template", fields), "prompt")
        return prompt, await self._llama_tokens(prompt, special=True, pieces=pieces)

    async def _llama_tokens(self, text: str, *, special: bool, pieces: bool) -> TokenizedText:
        body = {"content": text, "add_special": special, "parse_special": True, "with_pieces": pieces}
        return self._tokenized(await self._post(f"{self._root}/tokenize", body))

    async def _post(self, url: str, body: object) -> dict[str, Any]:
        self._require()
        status, found = await self._client.post(self._replica, url, body, _SECONDS)
        if status != 200:
            raise error_of(read_error(found), status, self._replica)
        if not isinstance(found, dict):
            raise malformed_error(self._replica, "its answer about tokens is no object")
        return found

    def _text(self, found: dict[str, Any], name: str) -> str:
        value = found.get(name)
        if not isinstance(value, str):
            raise self._lacks(name)
        return value

    def _count(self, found: dict[str, Any], name: str) -> int:
        value = found.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise self._lacks(name)
        return value

    def _tokenized(self, found: dict[str, Any]) -> TokenizedText:
        """Tokens as ids, with texts beside them (vLLM), or as objects with both (llama.cpp)."""
        tokens, texts = found.get("tokens"), found.get("token_strs")
        if not isinstance(tokens, list):
            raise self._lacks("tokens")
        if tokens and all(isinstance(token, dict) for token in tokens):
            texts = [_piece(token.get("piece")) for token in tokens]
            tokens = [token.get("id") for token in tokens]
        if not all(isinstance(token, int) for token in tokens):
            raise self._lacks("tokens")
        has_texts = isinstance(texts, list) and all(isinstance(text, str) for text in texts)
        return TokenizedText(tokens, texts if has_texts else None)

    def _lacks(self, name: str) -> RequestError:
        return malformed_error(self._replica, f"its answer about tokens has no {name}")


def _piece(piece: Any) -> str:
    """The text of a token, which llama.cpp writes as bytes where it is no whole character."""
    if isinstance(piece, list) and all(isinstance(byte, int) and 0 <= byte <= 255 for byte in piece):
        return bytes(piece).decode("utf-8", "replace")
    return piece if isinstance(piece, str) else ""
