"""`client.models`."""

from typing import TYPE_CHECKING

from forefront.client.decoding import read_model, read_models
from forefront.client.request import list_models_call, retrieve_model_call
from forefront.client.resources.raw_response import RawResponse, raw_response
from forefront.client.settings import ClientSettings
from forefront.wire.models import Model, ModelList

if TYPE_CHECKING:
    from forefront.client.transport.transport import AsyncTransport, Transport


class Models:
    """The models of the server."""

    def __init__(self, settings: ClientSettings, transport: "Transport") -> None:
        self._settings = settings
        self._transport = transport

    @property
    def with_raw_response(self) -> "RawModels":
        """The same methods with a `RawResponse` as result, which has the headers too."""
        return RawModels(self._settings, self._transport)

    def list(self) -> ModelList:
        """All models, in `.data`. Raises `APIError`."""
        return read_models(self._transport.send(list_models_call(self._settings)))

    def retrieve(self, model: str) -> Model:
        """One model. Raises `NotFoundError` for an unknown name."""
        return read_model(self._transport.send(retrieve_model_call(self._settings, model)))


class RawModels:
    """The methods of `Models`, with their HTTP responses."""

    def __init__(self, settings: ClientSettings, transport: "Transport") -> None:
        self._settings = settings
        self._transport = transport

    def list(self) -> RawResponse[ModelList]:
        """`Models.list`."""
        return raw_response(self._transport.send(list_models_call(self._settings)), read_models)

    def retrieve(self, model: str) -> RawResponse[Model]:
        """`Models.retrieve`."""
        return raw_response(self._transport.send(retrieve_model_call(self._settings, model)), read_model)


class AsyncModels:
    """`Models`, for asyncio."""

    def __init__(self, settings: ClientSettings, transport: "AsyncTransport") -> None:
        self._settings = settings
        self._transport = transport

    @property
    def with_raw_response(self) -> "AsyncRawModels":
        """The same methods with a `RawResponse` as result, which has the headers too."""
        return AsyncRawModels(self._settings, self._transport)

    async def list(self) -> ModelList:
        """All models, in `.data`. Raises `APIError`."""
        return read_models(await self._transport.send(list_models_call(self._settings)))

    async def retrieve(self, model: str) -> Model:
        """One model. Raises `NotFoundError` for an unknown name."""
        return read_model(await self._transport.send(retrieve_model_call(self._settings, model)))


class AsyncRawModels:
    """`RawModels`, for asyncio."""

    def __init__(self, settings: ClientSettings, transport: "AsyncTransport") -> None:
        self._settings = settings
        self._transport = transport

    async def list(self) -> RawResponse[ModelList]:
        """`Models.list`."""
        return raw_response(await self._transport.send(list_models_call(self._settings)), read_models)

    async def retrieve(self, model: str) -> RawResponse[Model]:
        """`Models.retrieve`."""
        return raw_response(await self._transport.send(retrieve_model_call(self._settings, model)), read_model)
