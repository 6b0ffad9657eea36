"""The options of `forefront serve`."""

from typing import Annotated, Literal

import typer

from forefront.catalog.sources.template_override import template_names

ModelArguments = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[NAME=]MODEL",
        help="GGUF files or directories with safetensors (Hugging Face) or OpenVINO IR; `NAME=` names it in requests. "
        "References as in `forefront pull` (`hf:owner/repo`, `smollm2`) are pulled once. [default: the built-in model]",
        show_default=False,
    ),
]
Host = Annotated[
    str | None, typer.Option(help="Address to listen on; 0.0.0.0 for all. [env: HOST; default: 127.0.0.1]")
]
Port = Annotated[
    int | None,
    typer.Option(min=0, max=65535, help="Port to listen on; 0 for a free one. [env: PORT; default: 8000]"),
]
Threads = Annotated[int, typer.Option(min=0, max=65535, help="CPU threads for each model; 0 for all available cores.")]
KvCacheSetting = Annotated[
    float, typer.Option(min=0.01, max=4096, metavar="GIB", help="Maximum memory of each model's KV cache, in GiB.")
]
Precision = Annotated[
    Literal["f32", "bf16"],
    typer.Option(
        metavar="f32|bf16",
        help="Precision of computation. bf16 reads prompts faster on CPUs that support it, and is less exact.",
    ),
]
Quantize = Annotated[
    Literal["", "int8", "int4"],
    typer.Option(
        metavar="int8|int4",
        help="Quantise matrices that a model's files store as 16- or 32-bit numbers: int8 takes half the memory of 16 "
        "bits and is nearly exact; int4 takes a quarter and loses more.",
        show_default=False,
    ),
]
TemplateOption = Annotated[
    str | None,
    typer.Option(
        "--chat-template",
        metavar="FILE|NAME",
        help=f"Chat template (Jinja) instead of the models' own: a file, or one of {', '.join(template_names())}.",
    ),
]
ExactActivations = Annotated[
    bool,
    typer.Option(
        "--exact-activations",
        help="Do not round activations to 8 bits: exact weights, and batches that run 2 to 5 times slower.",
    ),
]
Speculation = Annotated[
    Literal["off", "ngram"] | None,
    typer.Option(
        metavar="off|ngram",
        help="Drafts of several tokens, verified in one step: ngram repeats earlier text of the request and its "
        "project. Outputs stay the same. [default: ngram]",
        show_default=False,
    ),
]
Draft = Annotated[
    str,
    typer.Option(
        metavar="MODEL",
        help="Smaller model with the same vocabulary that drafts tokens for the served models: a path or a reference.",
        show_default=False,
    ),
]
DeviceOption = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="CPU|GPU|AUTO",
        help="Device of the models; GPU.1 is a second GPU. AUTO: a GPU if available.",
    ),
]
EngineOption = Annotated[
    Literal["auto", "forefront", "llama.cpp"],
    typer.Option(
        "--engine",
        metavar="auto|forefront|llama.cpp",
        help="Engine of the models. auto: llama.cpp for GGUF files that Forefront's engine does not run.",
    ),
]
Grace = Annotated[
    float | None,
    typer.Option(
        min=0, max=86400, metavar="SECONDS", help="Time for running requests after Ctrl-C or SIGTERM. [default: 30]"
    ),
]
RayOption = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS|auto",
        help="Generate tokens on a Ray cluster, on replicas that `forefront cluster up` has started there. auto: the "
        "cluster of this machine. [env: FOREFRONT_RAY_ADDRESS]",
    ),
]
