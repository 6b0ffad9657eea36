"""The backend of an embedding model whose texts are tokenised here: tokenise → engine → vectors."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, NoReturn

import numpy as np

from forefront.chat.backend import PromptPreview, Run, TokenizedText
from forefront.chat.embedder import EmbeddingResult, Vector
from forefront.chat.local.rerank_prompt import RerankPrompt
from forefront.chat.local.text_codec import TextCodec
from forefront.chat.local.vector_engine import VectorEngine
from forefront.chat.output.choice_decoder import TokenTexts
from forefront.chat.prompt.context_limit import PromptSizeLimit
from forefront.engine.embedding.embedding_model import EmbeddingInput, EmbeddingShape
from forefront.engine.engine_stats import EngineStats
from forefront.engine.errors import EngineStoppedError, EngineUnavailableError, StepFailedError
from forefront.fairness.tenant import Tenant
from forefront.fairness.time_slice import yield_to_event_loop
from forefront.tokenizer.tokenizer import TokenFrame, Tokenizer
from forefront.wire.completions.request import ChatRequest, CompletionRequest, SampledRequest
from forefront.wire.embeddings import EmbeddingRequest, RerankRequest
from forefront.wire.errors import RequestError, shutting_down
from forefront.wire.tokens import TokenizeRequest

# Tokens of one request: a hundred times a usual context.
_MAX_TOKENS: Final = 2**19
# A forward pass within this many seconds proves that the engine works.
_PROBE_AGE: Final = 2.0
# No project can have this name.
_PROBE_TENANT: Final = Tenant("\0probe")


@dataclass(frozen=True, slots=True)
class EmbeddingFacts:
    """`normalize`: vectors get the length 1. `shortens`: the model is trained for vectors of fewer dimensions.
    `rank_template`: the prompt for a query and a document, empty for a model that reads them as two segments."""

    normalize: bool = True
    shortens: bool = False
    rank_template: str = ""


@dataclass(frozen=True, slots=True)
class PreparedInputs:
    """The sequences of a request. Each gets a vector of `dimensions` numbers."""

    inputs: list[EmbeddingInput]
    tenant: Tenant
    dimensions: int

    @property
    def count(self) -> int:
        """The number of sequences."""
        return len(self.inputs)

    @property
    def prompt_tokens(self) -> int:
        """The tokens of all sequences."""
        return sum(len(entry.tokens) for entry in self.inputs)


class EmbeddingBackend:
    """A `Backend` and an `Embedder`: it refuses to generate text."""

    def __init__(
        self, engine: VectorEngine, shape: EmbeddingShape, tokenizer: Tokenizer, facts: EmbeddingFacts
    ) -> None:
        self.context_length = shape.context_length
        self._engine, self._shape = engine, shape
        self._facts = facts
        texts = TokenTexts(tokenizer.pieces, {token: text for text, token in tokenizer.control.items()})
        self._codec = TextCodec(tokenizer, texts, shape.vocabulary_size)
        self._limit = PromptSizeLimit(shape.context_length, tokenizer.longest, answered=False)
        self._frame = tokenizer.frame or _frame(tokenizer)
        self._rerank_prompt = RerankPrompt(tokenizer, self._frame, facts.rank_template)

    @property
    def ranks(self) -> bool:
        """Whether it scores documents for a query, and makes no embeddings."""
        return self._shape.ranks

    # Embeddings.

    async def prepare_embeddings(self, request: EmbeddingRequest, tenant: Tenant) -> PreparedInputs:
        """See `Embedder.prepare_embeddings`."""
        if self._shape.ranks:
            raise _unsupported("ranks texts", "/v1/rerank")
        width = self._shape.width
        if request.dimensions is not None and request.dimensions != width:
            if not self._facts.shortens:
                text = f"This model's vectors have {width} dimensions; it is not trained for others."
                raise RequestError("invalid_value", text, param="dimensions")
            if request.dimensions > width:
                raise RequestError("invalid_value", f"`dimensions` must be at most {width}.", param="dimensions")
        inputs: list[EmbeddingInput] = []
        total = 0
        entries = request.inputs
        rested = time.monotonic()
        for index, entry in enumerate(entries):
            param = "input" if len(entries) == 1 else f"input[{index}]"
            tokens = await self._tokens(entry, param, tenant)
            total = self._check_size(len(tokens), total, param)
            inputs.append(EmbeddingInput(tokens))
            rested = await yield_to_event_loop(rested)  # token ids take no turn in a thread
        return PreparedInputs(inputs, tenant, request.dimensions or width)

    async def prepare_ranking(self, request: RerankRequest, tenant: Tenant) -> PreparedInputs:
        """See `Embedder.prepare_ranking`."""
        if not self._shape.ranks:
            raise _unsupported("makes embeddings", "/v1/embeddings")
        query = request.query
        self._limit.check(query, "query")
        inputs: list[EmbeddingInput] = []
        total = 0
        for index, text in enumerate(request.texts):
            param = f"documents[{index}]"
            self._limit.check(text, param)
            size = len(query) + len(text)
            pair = await self._codec.run_encoding(param, tenant, size, partial(self._rerank_prompt.encode, query, text))
            total = self._check_size(len(pair.tokens), total, param)
            inputs.append(pair)
        return PreparedInputs(inputs, tenant, 1)

    async def embed(self, prepared: PreparedInputs) -> EmbeddingResult:
        """See `Embedder.embed`."""
        return EmbeddingResult(await self._vectors(prepared), prepared.prompt_tokens)

    async def _vectors(self, prepared: PreparedInputs) -> list[Vector]:
        try:
            vectors = await self._engine.vectors(prepared.inputs, prepared.tenant)
        except EngineUnavailableError as error:
            text = "The model has no replica now; try again."
            raise RequestError("not_ready", text, retry_after=error.retry_after) from None
        except StepFailedError:
            raise RequestError("engine_failed", "The model failed while it read this request; try again.") from None
        except EngineStoppedError:
            raise shutting_down() from None
        if self._shape.ranks:
            return vectors
        shortened = [vector[: prepared.dimensions] for vector in vectors]
        if not self._facts.normalize:
            return shortened
        units: list[Vector] = []
        rested = time.monotonic()
        for vector in shortened:
            units.append(unit_vector(vector))
            rested = await yield_to_event_loop(rested)
        return units

    # The rest of a backend.

    async def prepare(self, _request: ChatRequest | CompletionRequest, _tenant: Tenant) -> NoReturn:
        """Raises `RequestError`."""
        raise self._no_text()

    def run(self, _prepared: NoReturn, _deadline: float | None = None) -> Run:
        """No request can be prepared."""
        raise self._no_text()

    async def preview(self, _request: ChatRequest, _tenant: Tenant) -> PromptPreview:
        """Raises `RequestError`."""
        raise self._no_text()

    async def tokenize(self, request: TokenizeRequest, tenant: Tenant) -> TokenizedText:
        """See `Backend.tokenize`."""
        if request.messages is not None:
            raise self._no_text()
        tokens = await self._encode(request.prompt or "", "prompt", tenant)
        if request.add_special_tokens is not False:
            tokens = [*self._frame.before, *tokens, *self._frame.after]
        if not request.return_token_strs:
            return TokenizedText(tokens)
        return TokenizedText(tokens, await self._codec.texts(tokens, tenant))

    async def detokenize(self, tokens: Sequence[int], tenant: Tenant) -> str:
        """See `Backend.detokenize`."""
        return await self._codec.decode(tokens, tenant)

    def ignored(self, _request: SampledRequest) -> tuple[str, ...]:
        """Nothing: `prepare` refuses the request."""
        return ()

    def start(self) -> None:
        """See `Backend.start`."""
        self._engine.start()

    async def probe(self) -> None:
        """See `Backend.probe`: a vector of one token, unless one has just been computed."""
        if time.monotonic() - self._engine.stats().last_token >= _PROBE_AGE:
            await self._engine.vectors([EmbeddingInput([0])], _PROBE_TENANT)

    def stats(self) -> EngineStats:
        """See `Backend.stats`."""
        return self._engine.stats()

    async def close(self) -> None:
        """See `Backend.close`."""
        await self._engine.stop()
        await asyncio.to_thread(self._codec.close)

    # Texts.

    async def _tokens(self, entry: str | list[int], param: str, tenant: Tenant) -> list[int]:
        """The tokens of one input, with those that the model expects around a text."""
        if isinstance(entry, str):
            tokens = await self._encode(entry, param, tenant)
            return [*self._frame.before, *tokens, *self._frame.after]
        self._check_size(len(entry), 0, param)  # first, because checking all ids takes long
        self._codec.check(entry, param)
        return entry

    async def _encode(self, text: str, param: str, tenant: Tenant) -> list[int]:
        """The tokens of a text, control tokens recognised. Raises `RequestError`."""
        self._limit.check(text, param)
        return await self._codec.encode(text, param, tenant)

    def _check_size(self, tokens: int, total: int, param: str) -> int:
        """The new total. Raises `RequestError` for an input beyond the context, and for a request that is too large."""
        if tokens > self.context_length:
            text = (
                f"This model's maximum context length is {self.context_length} tokens. The prompt is too long: "
                f"`{param}` has {tokens}."
            )
            raise RequestError("context_length_exceeded", text, param=param)
        if total + tokens > _MAX_TOKENS:
            text = f"A request can have at most {_MAX_TOKENS} tokens in all; send several requests."
            raise RequestError("invalid_value", text, param=param)
        return total + tokens

    def _no_text(self) -> RequestError:
        if self._shape.ranks:
            return _unsupported("ranks texts", "/v1/rerank")
        return _unsupported("makes embeddings", "/v1/embeddings")


def unit_vector(vector: Vector) -> Vector:
    """The vector with the length 1; zeros stay zeros."""
    length = float(np.linalg.norm(vector))
    return vector / np.float32(length) if length else vector


def _frame(tokenizer: Tokenizer) -> TokenFrame:
    """The tokens around texts by the tokenizer's settings: the token after a text is also between two."""
    before = _token(tokenizer, tokenizer.bos_token, tokenizer.add_bos)
    after = _token(tokenizer, tokenizer.eos_token, tokenizer.add_eos)
    return TokenFrame(before, after, after)


def _token(tokenizer: Tokenizer, name: str, added: bool | None) -> tuple[int, ...]:
    """The control token of that name, if texts get it."""
    return (tokenizer.control[name],) if added and name in tokenizer.control else ()


def _unsupported(what: str, path: str) -> RequestError:
    text = f"This model {what} and does nothing else: use `POST {path}`."
    return RequestError("unsupported_parameter", text, param="model")
