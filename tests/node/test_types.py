"""The SDK's types say what the server's own do: the same fields."""

import re

import msgspec
import pytest

from forefront.wire import models, receipt
from forefront.wire.completions import request, response
from tests.support.programs.node import SDK

STRUCTS: dict[str, type[msgspec.Struct]] = {
    "ChatCompletionCreateParamsBase": request.ChatRequest,
    "CompletionCreateParamsBase": request.CompletionRequest,
    "ChatCompletion": response.ChatCompletion,
    "Choice": response.Choice,
    "ResponseMessage": response.ResponseMessage,
    "TokenLogprob": response.TokenLogprob,
    "Usage": response.Usage,
    "Receipt": receipt.Receipt,
    "EffectiveSampling": receipt.EffectiveSampling,
    "ChatCompletionChunk": response.ChatCompletionChunk,
    "ChunkChoice": response.ChunkChoice,
    "ChoiceDelta": response.ChoiceDelta,
    "Completion": response.Completion,
    "CompletionChoice": response.CompletionChoice,
    "CompletionLogprobs": response.CompletionLogprobs,
    "Preflight": response.Preflight,
    "Model": models.Model,
}
# The first is another name of a field, the others have no effect on an answer.
EXTRA = {"max_completion_tokens", "user", "metadata", "service_tier", "prompt_cache_key"}
SOURCE = "".join((SDK / "src" / name).read_text() for name in ("types.ts", "params.ts"))


def declared(interface: str) -> set[str]:
    """The names of an interface's fields, those of what it extends included."""
    match = re.search(rf"interface {interface} (?:extends (\w+) )?\{{\n(.*?)\n\}}", SOURCE, re.DOTALL)
    assert match, interface
    return set(re.findall(r"^  (\w+)\??:", match[2], re.MULTILINE)) | (declared(match[1]) if match[1] else set())


@pytest.mark.parametrize("interface", STRUCTS)
def test_fields(interface: str) -> None:
    known = {field.name for field in msgspec.structs.fields(STRUCTS[interface])}
    if interface.endswith("ParamsBase"):
        known -= {"stream"}  # distinguished by the types that extend it
    assert declared(interface) - EXTRA == known
