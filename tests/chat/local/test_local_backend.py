"""The backend of a model that runs here."""

import pytest

from forefront.chat.local.loading import ModelOptions, ModelParts, load_backend
from forefront.fairness.tenant import NO_TENANT
from forefront.wire.completions.message import Message
from forefront.wire.completions.request import ChatRequest
from forefront.wire.errors import RequestError


async def test_a_closed_backend_refuses_previews(tiny_parts: ModelParts) -> None:
    backend = load_backend(tiny_parts, ModelOptions())
    backend.start()
    request = ChatRequest(model="tiny", messages=[Message(role="user", content="Hello")])
    assert (await backend.preview(request, NO_TENANT)).prompt_tokens
    await backend.close()
    with pytest.raises(RequestError) as caught:
        await backend.preview(request, NO_TENANT)
    assert caught.value.code == "shutting_down"
