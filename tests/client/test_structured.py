"""`parse`: from types to schemas, and from texts to values."""

import copy
import pickle
from dataclasses import dataclass
from typing import Any, TypedDict

import httpx
import jsonschema
import pydantic
import pytest

from forefront import ParsedCompletion, ParseError
from forefront.client.structured import ResponseSchema
from tests.client.fakes import COMPLETION, USER, Server

TEXT = '{"name": "Rome", "rivers": [{"name": "Tiber"}]}'


class PydanticRiver(pydantic.BaseModel):
    name: str


class PydanticCity(pydantic.BaseModel):
    name: str
    rivers: list[PydanticRiver]


@dataclass
class DataRiver:
    name: str


@dataclass
class DataCity:
    name: str
    rivers: list[DataRiver]


class DictCity(TypedDict):
    name: str
    rivers: list[dict[str, str]]


def answer(content: str | None, finish_reason: str = "stop") -> httpx.Response:
    body = copy.deepcopy(COMPLETION)
    body["choices"][0] |= {"message": {"role": "assistant", "content": content}, "finish_reason": finish_reason}
    return httpx.Response(200, json=body)


def schema_of(given: Any) -> dict[str, Any]:
    schema: dict[str, Any] = ResponseSchema(given).response_format["json_schema"]["schema"]
    return schema


def test_a_pydantic_model() -> None:
    server = Server(answer(TEXT))
    completion = server.client().chat.completions.parse(messages=USER, response_format=PydanticCity, temperature=0)
    assert completion.parsed == PydanticCity(name="Rome", rivers=[PydanticRiver(name="Tiber")])
    assert completion.choices[0].message.content == TEXT
    assert isinstance(completion, ParsedCompletion)
    sent = server.sent["response_format"]["json_schema"]
    assert (sent["name"], sent["strict"], sent["schema"]) == ("PydanticCity", True, PydanticCity.model_json_schema())


async def test_a_dataclass_with_asyncio() -> None:
    server = Server(answer(TEXT))
    completion = await server.async_client().chat.completions.parse(messages=USER, response_format=DataCity)
    assert completion.parsed == DataCity("Rome", [DataRiver("Tiber")])
    assert server.sent["response_format"]["json_schema"]["name"] == "DataCity"


def test_a_typed_dict() -> None:
    completion = Server(answer(TEXT)).client().chat.completions.parse(messages=USER, response_format=DictCity)
    assert completion.parsed["rivers"][0]["name"] == "Tiber"


@pytest.mark.parametrize("form", [PydanticCity, DataCity, DictCity])
def test_schemas_are_schemas_of_their_types(form: Any) -> None:
    schema = schema_of(form)
    assert schema["type"] == "object"
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate({"name": "Rome", "rivers": [{"name": "Tiber"}]}, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"name": "Rome", "rivers": [{"name": 1}]}, schema)


def test_a_type_without_a_schema() -> None:
    with pytest.raises(TypeError):
        ResponseSchema(object)


@pytest.mark.parametrize(
    ("content", "finish_reason", "text"),
    [
        ("{", "length", "The completion is not JSON. It was cut off by `max_tokens`."),
        ("Rome", "stop", "The completion is not JSON."),
        (None, "tool_calls", "The completion is not JSON."),
        ('{"name": 1}', "stop", "The completion does not match the requested schema."),
    ],
)
@pytest.mark.parametrize("form", [PydanticCity, DataCity])
def test_other_answers(content: str | None, finish_reason: str, text: str, form: Any) -> None:
    with pytest.raises(ParseError) as caught:
        Server(answer(content, finish_reason)).client().chat.completions.parse(messages=USER, response_format=form)
    assert str(caught.value) == text
    assert caught.value.completion.choices[0].message.content == content
    assert caught.value.__cause__ is not None
    assert str(pickle.loads(pickle.dumps(caught.value))) == text


def test_an_answer_without_choices() -> None:
    with pytest.raises(ParseError, match="not JSON"):
        Server(httpx.Response(200, json={**COMPLETION, "choices": []})).client().chat.completions.parse(
            messages=USER, response_format={"type": "object"}
        )
