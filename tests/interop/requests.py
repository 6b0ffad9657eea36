"""What the tests of Python's peers ask for."""

from typing import Any

MODEL = "forefront-mini"
QUESTION = {"role": "user", "content": "Write a recipe for an italian dinner"}
ASK: dict[str, Any] = {"model": MODEL, "messages": [QUESTION], "max_tokens": 16, "temperature": 0}
# The random model ends no answer by itself when it may not choose the token that does.
NO_END = {"2": -100}
ENDLESS: dict[str, Any] = {"model": "tiny", "messages": [QUESTION], "max_tokens": 1900, "logit_bias": NO_END}

WEATHER_QUESTION = {"role": "user", "content": "What is the weather like in Rome?"}
WEATHER_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 20}, "unit": {"enum": ["celsius", "fahrenheit"]}},
    "required": ["city", "unit"],
    "additionalProperties": False,
}
WEATHER: dict[str, Any] = {
    "type": "function",
    "function": {"name": "get_weather", "description": "The weather", "parameters": WEATHER_SCHEMA},
}
ADD: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "add",
        "parameters": {
            "type": "object",
            "properties": {"a": {"type": "integer", "minimum": 0, "maximum": 99}},
            "required": ["a"],
            "additionalProperties": False,
        },
    },
}
