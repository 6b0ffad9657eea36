"""The decoders of a request's choices."""

import time
from collections.abc import Iterable, Sequence

from forefront.chat.model_format import ModelFormat
from forefront.chat.output.choice_decoder import ChoiceDecoder, DecodeOptions, TokenTexts
from forefront.chat.output.stop_strings import StopStrings
from forefront.fairness.time_slice import yield_to_event_loop
from forefront.wire.completions.request import ChatRequest, CompletionRequest


def chat_decoders(request: ChatRequest, model_format: ModelFormat, prompt: str) -> list[ChoiceDecoder]:
    """One decoder for each choice of an answer to the rendered `prompt`."""
    texts = model_format.texts(request.active_tools)
    options = DecodeOptions(
        StopStrings(request.stops),
        request.stop_tokens,
        request.min_tokens or 0,
        logprobs=bool(request.logprobs),
    )
    return [
        ChoiceDecoder(index, texts, options, model_format.parser(index, prompt, request.active_tools))
        for index in range(request.n or 1)
    ]


async def text_decoders(
    request: CompletionRequest, texts: TokenTexts, prompts: Iterable[Sequence[int]]
) -> list[ChoiceDecoder]:
    """One decoder for each choice of each prompt (token ids), in the order of the prompts. 4,096 take tens of
    milliseconds."""
    options = DecodeOptions(
        StopStrings(request.stops),
        request.stop_tokens,
        request.min_tokens or 0,
        logprobs=request.logprobs is not None,
        end_logprob=True,
        mute=request.max_tokens == 0,
    )
    decoders: list[ChoiceDecoder] = []
    rested = time.monotonic()
    for prompt in prompts:
        for _ in range(request.n or 1):
            decoders.append(ChoiceDecoder(len(decoders), texts, options, echo=prompt if request.echo else ()))
        rested = await yield_to_event_loop(rested)
    return decoders
