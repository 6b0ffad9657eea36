"""DSPy: typed programs, with answers by adapters that fill in templates or ask for JSON."""

from typing import Any

import dspy
import litellm
import pytest


class Dinner(dspy.Signature):
    """Invent a dinner."""

    cuisine: str = dspy.InputField()
    course: bool = dspy.OutputField()


@pytest.fixture
def lm(endpoint: Any) -> Any:
    # DSPy sends a schema to models alone of which LiteLLM says that they take one.
    litellm.register_model(
        {f"openai/{endpoint.model}": {"litellm_provider": "openai", "supports_response_schema": True}}
    )
    return dspy.LM(f"openai/{endpoint.model}", api_base=endpoint.url, api_key=endpoint.key, cache=False,
                   temperature=0, max_tokens=200, num_retries=0)  # fmt: skip


def test_text_and_usage(lm: Any) -> None:
    with dspy.context(lm=lm, track_usage=True):
        [text] = lm("Write a recipe for an italian dinner")
    assert text
    assert lm.history[-1]["usage"]["completion_tokens"] > 10


def test_several_answers(lm: Any) -> None:
    assert len(lm("Hello", n=2, temperature=1.0)) == 2


def test_json_adapter(lm: Any) -> None:
    with dspy.context(lm=lm, adapter=dspy.JSONAdapter()):
        assert dspy.Predict(Dinner)(cuisine="italian").course in (True, False)


async def test_async(lm: Any) -> None:
    with dspy.context(lm=lm, adapter=dspy.JSONAdapter()):
        assert (await dspy.Predict(Dinner).acall(cuisine="italian")).course in (True, False)


def test_errors(endpoint: Any) -> None:
    model = dspy.LM("openai/none", api_base=endpoint.url, api_key=endpoint.key, cache=False, num_retries=0)
    with pytest.raises(Exception, match="none"):
        model("Hello")
