"""From a model's graph and tokenizer to a backend that answers."""

from dataclasses import dataclass

from forefront.chat.dialect import Dialect
from forefront.chat.form import Former
from forefront.chat.grammar import Grammars
from forefront.chat.local import LocalBackend
from forefront.chat.planner import Planner
from forefront.chat.prompt import PromptEncoder
from forefront.chat.template import ChatTemplate, TemplateError
from forefront.chat.tokenizer import Tokenizer
from forefront.chat.vocabulary import Vocabulary
from forefront.engine.device import DeviceError, find_device
from forefront.engine.engine import Engine
from forefront.engine.model import ModelOptions, PagedModel
from forefront.engine.paged_graph import PagedGraph

__all__ = [
    "DeviceError",
    "LoadError",
    "ModelFacts",
    "ModelOptions",
    "ModelParts",
    "find_device",
    "first_line",
    "load_backend",
]


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What must be known of a model beside its graph: its context in tokens, and the tokens that end an answer (those
    that the tokenizer declares are added)."""

    context_length: int
    end_tokens: frozenset[int]


@dataclass(frozen=True, slots=True)
class ModelParts:
    """A model as it was read, not compiled yet."""

    graph: PagedGraph
    tokenizer: Tokenizer
    facts: ModelFacts


class LoadError(Exception):
    """A model cannot be served. The text says why, fit to be shown to whoever starts the server."""


def load_backend(parts: ModelParts, options: ModelOptions) -> LocalBackend:
    """Compile the model; takes seconds.

    Raises `LoadError`. The backend answers once it has been started on an event loop.
    """
    tokenizer, facts = parts.tokenizer, parts.facts
    try:
        if not tokenizer.chat_template:
            raise LoadError("it has no chat template, so it cannot answer messages")
        template = ChatTemplate(tokenizer.chat_template, bos_token=tokenizer.bos_token, eos_token=tokenizer.eos_token)
        model = PagedModel(parts.graph, facts.context_length, options)
    except TemplateError as error:
        raise LoadError(str(error)) from None
    except RuntimeError as error:  # what OpenVINO raises for everything
        raise LoadError(f"OpenVINO cannot load it: {first_line(error)}") from error
    end_tokens = facts.end_tokens | tokenizer.end_tokens
    engine = Engine(model)
    dialect = Dialect(template, tokenizer)
    former = Former(Grammars(Vocabulary(tokenizer.pieces, tokenizer.control, end_tokens)), dialect)
    planner = Planner(
        tokenizer,
        PromptEncoder(tokenizer, template),
        dialect,
        former,
        end_tokens,
        engine.context_limit,
        engine.vocabulary_size,
    )
    return LocalBackend(engine, planner)


def first_line(error: Exception) -> str:
    """The sentence of an OpenVINO error: its last line that says something, behind lines of source positions."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip() and not line.startswith("Exception from")]
    return lines[0] if lines else "unknown error"
