"""`forefront complete`: continues a text."""

from typing import Annotated

import msgspec
import typer

from forefront import ForefrontClient
from forefront.cli.options.client_options import (
    AsJson,
    BaseUrl,
    MaxTokens,
    Model,
    Temperature,
    connect,
    default_model,
    finish,
    handle_errors,
    read_prompt,
    write,
)
from forefront.client.resources.params import TextParams


def complete(
    prompt: Annotated[str | None, typer.Argument(help="Text to continue. [default: standard input]")] = None,
    model: Model = None,
    temperature: Temperature = None,
    max_tokens: MaxTokens = None,
    stop: Annotated[list[str] | None, typer.Option(help="Text that ends the answer; repeatable.")] = None,
    as_json: AsJson = False,
    base_url: BaseUrl = None,
) -> None:
    """Continue a text, without a conversation. Needs a running server and its key in `FOREFRONT_API_KEY`.

    Exit status: 0 for a complete answer, 1 after an error, 130 after Ctrl-C.
    """
    with handle_errors(), connect(base_url) as client:
        text = read_prompt(prompt)
        params: TextParams = {
            "model": model or default_model(client),
            "temperature": temperature,
            "max_tokens": max_tokens,
            "stop": stop or None,
        }
        if as_json:
            typer.echo(msgspec.json.encode(client.completions.create(prompt=text, **params)).decode())
        else:
            _stream(client, text, params)


def _stream(client: ForefrontClient, prompt: str, params: TextParams) -> None:
    text, reason = "", None
    try:
        for chunk in client.completions.create(prompt=prompt, stream=True, **params):
            for choice in chunk.choices:
                write(choice.text)
                text, reason = text + choice.text, choice.finish_reason or reason
    except KeyboardInterrupt:
        finish(text, interrupted=True)
        raise
    finish(text, truncated=reason == "length")
