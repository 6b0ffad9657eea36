"""Detection of an upstream's kind of server by requests to it."""

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from forefront.upstream.dialects import DIALECTS, Dialect
from forefront.upstream.error_mapping import malformed_error
from forefront.upstream.errors import UpstreamError
from forefront.upstream.http.http_client import UpstreamClient
from forefront.upstream.replica import UpstreamReplica

PROBE_SECONDS: Final = 5.0
_MAX_CONTEXT: Final = 2**24
# `owned_by` in `GET /v1/models`.
_OWNERS: Final = {
    "forefront": "forefront",
    "vllm": "vllm",
    "sglang": "sglang",
    "llamacpp": "llama.cpp",
    "library": "ollama",
    "ovms": "ovms",
}
# Paths that only one kind of server answers with an object with this member.
_PROBES: Final = (("/api/version", "version", "ollama"), ("/props", "default_generation_settings", "llama.cpp"),
                  ("/get_server_info", "model_path", "sglang"), ("/version", "version", "vllm"))  # fmt: skip
_OPENAI_HOSTS: Final = (".openai.com", ".openai.azure.com")


@dataclass(frozen=True, slots=True)
class DetectedServer:
    """A server's dialect, and the context of its model in tokens; None if unknown."""

    dialect: Dialect
    context_length: int | None


async def list_models(client: UpstreamClient, replica: UpstreamReplica) -> list[dict[str, Any]]:
    """The entries of `GET /models`: a cheap proof that the server answers. Raises `UpstreamError`."""
    status, body = await client.get(replica, f"{replica.base_url}/models", PROBE_SECONDS)
    if status != 200:
        raise malformed_error(replica, f"it answers GET /models with {status}")
    data = body.get("data") if isinstance(body, dict) else None
    if not isinstance(data, list):
        raise malformed_error(replica, "its answer to GET /models is no list of models")
    return [entry for entry in data if isinstance(entry, dict)]


async def detect(client: UpstreamClient, replica: UpstreamReplica, model: str) -> DetectedServer:
    """The server's dialect, by its list of models or by its special paths; `generic` where neither shows it.

    Raises `UpstreamError` for a server that cannot be reached.
    """
    try:
        entries = await list_models(client, replica)
    except UpstreamError as error:
        if error.kind == "unreachable":
            raise
        entries = []
    entry = next((entry for entry in entries if entry.get("id") == model), entries[0] if len(entries) == 1 else {})
    return DetectedServer(DIALECTS[await _name(client, replica, entry)], _context(entry))


async def _name(client: UpstreamClient, replica: UpstreamReplica, entry: dict[str, Any]) -> str:
    host = urlsplit(replica.base_url).hostname or ""
    if host.endswith(_OPENAI_HOSTS):
        return "openai"
    owner = entry.get("owned_by")
    if isinstance(owner, str) and owner.lower() in _OWNERS:
        return _OWNERS[owner.lower()]
    for path, member, name in _PROBES:
        status, body = await client.get(replica, server_root(replica) + path, PROBE_SECONDS)
        if status == 200 and isinstance(body, dict) and member in body:
            return name
    return "generic"


def server_root(replica: UpstreamReplica) -> str:
    """The base URL without the version of the API: the root of the server's other paths."""
    return replica.base_url.removesuffix("/v1")


def _context(entry: dict[str, Any]) -> int | None:
    meta = entry.get("meta")
    candidates = [entry.get("max_model_len"), entry.get("context_length")]
    if isinstance(meta, dict):  # llama.cpp
        candidates += [meta.get("n_ctx"), meta.get("n_ctx_train")]
    for value in candidates:
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= _MAX_CONTEXT:
            return value
    return None
