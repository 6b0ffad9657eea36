"""Instructor: Pydantic objects from answers."""

from typing import Any, Literal

import instructor
import openai
import pytest
from instructor.core import InstructorRetryException
from pydantic import BaseModel, Field, field_validator

QUESTION = [{"role": "user", "content": "Give me the name and the minutes of an italian dinner as JSON"}]


class Ingredient(BaseModel):
    """A part of a dinner."""

    name: str = Field(max_length=12)
    grams: int = Field(ge=1, le=900)


class Dinner(BaseModel):
    """A dinner."""

    name: str = Field(max_length=20)
    course: Literal["starter", "main"]
    ingredients: list[Ingredient] = Field(min_length=1, max_length=2)
    note: str | None = Field(default=None, max_length=5)


MODES = [instructor.Mode.TOOLS, instructor.Mode.JSON_SCHEMA]


def make(endpoint: Any, mode: instructor.Mode, client: Any = openai.OpenAI) -> Any:
    return instructor.from_openai(client(base_url=endpoint.url, api_key=endpoint.key, max_retries=0), mode=mode)


@pytest.fixture
def fields(endpoint: Any) -> dict[str, Any]:
    return {"model": endpoint.model, "messages": QUESTION, "temperature": 0, "max_tokens": 600}


@pytest.mark.parametrize("mode", MODES)
def test_object_and_usage(endpoint: Any, fields: dict[str, Any], mode: instructor.Mode) -> None:
    dinner, raw = make(endpoint, mode).chat.completions.create_with_completion(response_model=Dinner, **fields)
    assert isinstance(dinner, Dinner)
    assert raw.usage.total_tokens == raw.usage.prompt_tokens + raw.usage.completion_tokens


@pytest.mark.parametrize("mode", MODES)
def test_partial_objects(endpoint: Any, fields: dict[str, Any], mode: instructor.Mode) -> None:
    client = make(endpoint, mode)
    parts = list(client.chat.completions.create_partial(response_model=Dinner, **fields))
    assert len(parts) > 3
    assert all(part.name is None or parts[-1].name.startswith(part.name) for part in parts)
    Dinner.model_validate(parts[-1].model_dump())


@pytest.mark.parametrize("mode", MODES)
async def test_async(endpoint: Any, fields: dict[str, Any], mode: instructor.Mode) -> None:
    client = make(endpoint, mode, openai.AsyncOpenAI)
    assert isinstance(await client.chat.completions.create(response_model=Dinner, **fields), Dinner)


def test_iterable(endpoint: Any, fields: dict[str, Any]) -> None:
    client = make(endpoint, instructor.Mode.TOOLS)
    found = list(client.chat.completions.create_iterable(response_model=Ingredient, **fields))
    assert found
    assert all(isinstance(item, Ingredient) for item in found)


@pytest.mark.parametrize("mode", MODES)
def test_retry_after_failed_validation(endpoint: Any, fields: dict[str, Any], mode: instructor.Mode) -> None:
    """The history of the second attempt has the first answer and the error of its validation."""
    seen = []

    class Checked(Dinner):
        @field_validator("name")
        @classmethod
        def first_is_refused(cls, name: str) -> str:
            seen.append(name)
            if len(seen) == 1:
                raise ValueError("another name, please")
            return name

    dinner = make(endpoint, mode).chat.completions.create(response_model=Checked, max_retries=2, **fields)
    assert dinner.name == seen[-1]
    assert len(seen) == 2


def test_errors(endpoint: Any, fields: dict[str, Any]) -> None:
    client = make(endpoint, instructor.Mode.TOOLS)
    for bad, text in (({"model": "none"}, "no model `none`"), ({"max_tokens": 10**6}, "maximum context length")):
        with pytest.raises(InstructorRetryException, match=text):
            client.chat.completions.create(response_model=Dinner, max_retries=1, **fields | bad)
