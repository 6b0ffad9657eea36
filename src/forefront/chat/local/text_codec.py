"""Text to the tokens of one model, and back, in worker threads that projects share."""

import logging
from codecs import getincrementaldecoder
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from forefront.chat.output.choice_decoder import TokenTexts
from forefront.fairness.fair_semaphore import SemaphoreClosedError
from forefront.fairness.tenant import Tenant
from forefront.fairness.worker_pool import WorkerPool
from forefront.tokenizer.errors import TokenizerError
from forefront.tokenizer.tokenizer import Tokenizer
from forefront.wire.errors import RequestError, shutting_down

_log = logging.getLogger(__name__)

T = TypeVar("T")

# Threads that render and tokenise. A project has half of them at most. More threads take the interpreter lock from the
# event loop: with four, another project's first token took 1.7 times as long under abuse.
_THREADS: Final = 2
# Tokens that are decoded per call, and the maximum bytes of the whole text.
_BATCH: Final = 2**13
MAX_DECODED: Final = 8 * 2**20


class TextCodec:
    """Encodes and decodes texts for one model, whose vocabulary has `size` tokens. Every method raises
    `RequestError`."""

    def __init__(self, tokenizer: Tokenizer, texts: TokenTexts, size: int) -> None:
        self._tokenizer = tokenizer
        self._text = texts.text
        self._size = size
        self._workers = WorkerPool(_THREADS, "forefront-prompts")

    def close(self) -> None:
        """End the worker threads. Blocks."""
        self._workers.close()

    async def encode(self, text: str, param: str, tenant: Tenant) -> list[int]:
        """The tokens of a text, control tokens recognised."""
        return await self.run_encoding(param, tenant, len(text), lambda: self._tokenizer.encode(text))

    async def run_encoding(self, param: str, tenant: Tenant, size: int, encode: Callable[[], T]) -> T:
        """The result of `encode`, which encodes texts of `size` characters from the field `param`."""
        try:
            return await self.run(tenant, size, encode)
        except TokenizerError as error:
            raise not_encodable(error, param) from None

    async def decode(self, tokens: Sequence[int], tenant: Tenant) -> str:
        """The text of tokens, control tokens by their names, of `MAX_DECODED` bytes at most."""
        return await self.run(tenant, len(tokens), lambda: self._decode(tokens))

    async def texts(self, tokens: Sequence[int], tenant: Tenant) -> list[str]:
        """The text of each token by itself."""
        return await self.run(tenant, len(tokens), lambda: self._texts(tokens))

    def _texts(self, tokens: Sequence[int]) -> list[str]:
        texts = {token: self._text(token).decode(errors="replace") for token in set(tokens)}
        return [
            texts[token] for token in tokens
        ]  # equal texts share one object, because a million separate objects take long to free

    def _decode(self, tokens: Sequence[int]) -> str:
        """Decode in batches, because each C call holds the interpreter lock until it ends."""
        decoder, parts, size = getincrementaldecoder("utf-8")("replace"), list[str](), 0
        for begin in range(0, len(tokens), _BATCH):
            batch = tokens[begin : begin + _BATCH]
            self.check(batch, "tokens")
            data = b"".join(map(self._text, batch))
            size += len(data)
            if size > MAX_DECODED:
                text = f"`tokens`: their text has more than {MAX_DECODED // 2**20} MiB; send fewer at a time."
                raise RequestError("invalid_value", text, param="tokens")
            parts.append(decoder.decode(data))
        return "".join([*parts, decoder.decode(b"", final=True)])

    def check(self, tokens: Sequence[int], param: str) -> None:
        """Refuse a token beyond the vocabulary."""
        if tokens and max(tokens) >= self._size:
            text = f"`{param}` names token {max(tokens)}, but the vocabulary ends at {self._size - 1}."
            raise RequestError("invalid_value", text, param=param)

    async def run(self, tenant: Tenant, size: int, work: Callable[[], T]) -> T:
        """Run `work` in a worker thread, in `tenant`'s turn. `size` is in characters."""
        try:
            return await self._workers.run(tenant, size + 1, work)
        except SemaphoreClosedError:
            raise shutting_down() from None


def not_encodable(error: TokenizerError, param: str) -> RequestError:
    """The error for a text that the tokenizer cannot encode. The library's reason goes to the log."""
    _log.warning("a text cannot be encoded: %s", error)
    return RequestError("invalid_value", "The model's tokenizer cannot encode this text.", param=param)
