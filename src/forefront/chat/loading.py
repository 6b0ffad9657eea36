"""From a model directory to a backend that answers."""

from dataclasses import dataclass
from pathlib import Path

from forefront.chat.dialect import Dialect
from forefront.chat.form import Former
from forefront.chat.grammar import Grammars
from forefront.chat.local import LocalBackend
from forefront.chat.planner import Planner
from forefront.chat.prompt import PromptEncoder
from forefront.chat.template import ChatTemplate, TemplateError
from forefront.chat.tokenizer import Tokenizer, TokenizerError
from forefront.chat.vocabulary import Vocabulary
from forefront.engine.engine import Engine
from forefront.engine.model import ModelOptions, PagedModel

__all__ = ["LoadError", "ModelFacts", "ModelOptions", "load_backend"]


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What must be known of a model beside its graph: its context in tokens, and the tokens that end an answer (those
    that the tokenizer declares are added)."""

    context_length: int
    end_tokens: frozenset[int]


class LoadError(Exception):
    """A model cannot be served. The text says why, fit to be shown to whoever starts the server."""


def load_backend(
    directory: Path, facts: ModelFacts, options: ModelOptions, chat_template: str | None = None
) -> LocalBackend:
    """Load `directory` (`openvino_model.xml` and the tokenizer's two graphs); takes seconds.

    `chat_template` takes the place of the model's own. A model without one takes no messages.

    Raises `LoadError`. The backend answers once it has been started on an event loop.
    """
    try:
        tokenizer = Tokenizer(directory)
        template = _template(tokenizer, chat_template)
        model = PagedModel(directory / "openvino_model.xml", facts.context_length, options)
    except (TemplateError, TokenizerError) as error:
        raise LoadError(str(error)) from None
    except RuntimeError as error:  # what OpenVINO raises for everything
        raise LoadError(f"OpenVINO cannot load it: {_first_line(error)}") from error
    engine = Engine(model)
    dialect = Dialect(template, tokenizer)
    end_tokens = dialect.end_tokens(facts.end_tokens | tokenizer.end_tokens)
    former = Former(Grammars(Vocabulary(tokenizer.pieces, tokenizer.control, end_tokens)), dialect)
    planner = Planner(
        tokenizer,
        None if template is None else PromptEncoder(tokenizer, template),
        dialect,
        former,
        end_tokens,
        engine.context_limit,
        engine.vocabulary_size,
    )
    return LocalBackend(engine, planner)


def _template(tokenizer: Tokenizer, given: str | None) -> ChatTemplate | None:
    source = given or tokenizer.chat_template
    if not source:
        return None
    return ChatTemplate(source, bos_token=tokenizer.bos_token, eos_token=tokenizer.eos_token)


def _first_line(error: Exception) -> str:
    """The sentence of an OpenVINO error: its last line that says something, behind lines of source positions."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip() and not line.startswith("Exception from")]
    return lines[0] if lines else "unknown error"
