"""The grammar compiler of the built-in model."""

from collections.abc import AsyncIterator

import pytest

from forefront.chat.local.loading import ModelParts
from tests.chat.bound import Bound, bound


@pytest.fixture(scope="module")
async def mini(mini_parts: ModelParts) -> AsyncIterator[Bound]:
    async with bound(mini_parts) as made:
        yield made
