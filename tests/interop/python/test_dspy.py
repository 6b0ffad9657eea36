"""DSPy's `LM`, and a program over it."""

import json
from typing import Any

import dspy
import pytest


class Dinner(dspy.Signature):
    """Invent a dinner."""

    cuisine: str = dspy.InputField()
    course: bool = dspy.OutputField()


@pytest.fixture
def lm(endpoint: Any) -> Any:
    return dspy.LM(f"openai/{endpoint.model}", api_base=endpoint.url, api_key=endpoint.key, cache=False,
                   temperature=0, max_tokens=200, num_retries=0)  # fmt: skip


def test_text_and_usage(lm: Any) -> None:
    with dspy.context(lm=lm, track_usage=True):
        [text] = lm("Write a recipe for an italian dinner")
    assert text
    assert lm.history[-1]["usage"]["completion_tokens"] > 10


def test_several_answers(lm: Any) -> None:
    assert len(lm("Hello", n=2, temperature=1.0)) == 2


def test_schema(lm: Any) -> None:
    schema = {"type": "object", "properties": {"minutes": {"type": "integer"}}, "required": ["minutes"]}
    form = {"type": "json_schema", "json_schema": {"name": "dinner", "schema": schema}}
    [text] = lm("Invent a dinner", response_format=form)
    assert isinstance(json.loads(text)["minutes"], int)


async def test_program_async(lm: Any) -> None:
    """The built-in model does not fill in the template of a signature: the adapter raises its exception."""
    with dspy.context(lm=lm):
        with pytest.raises(dspy.utils.exceptions.AdapterParseError, match="course"):
            await dspy.Predict(Dinner).acall(cuisine="italian")
        assert await lm.acall("Hello")


def test_errors(endpoint: Any) -> None:
    model = dspy.LM("openai/none", api_base=endpoint.url, api_key=endpoint.key, cache=False, num_retries=0)
    with pytest.raises(Exception, match="none"):
        model("Hello")
