"""Tools: choose one or none, fill its arguments, and use its result."""

import json
from typing import Any

from training.dialogues import talk
from training.dialogues.dialogue import Check, Dialogue, Message, says, user
from training.dialogues.side import Side
from training.dialogues.wordings import polite
from training.dialogues.words import CITIES, DAYS, THINGS, city, made_up, name

AREA = "tools"

# Per tool: its description, its parameters, wordings, result, and the answer made from it.
_TOOLS: dict[str, tuple[str, tuple[str, ...], tuple[str, ...], str, str]] = {
    "get_weather": ("Get the weather of a city", ("city",),
        ("What is the weather in {city}?", "How is the weather in {city}?", "Weather in {city}", "Is it warm in {city}?", "Tell me the weather in {city}.", "Will I need a coat in {city}?"),
        '{{"temperature": {n}, "sky": "{sky}"}}', "It is {n} degrees and {sky} in {city}."),
    "get_time": ("Get the local time of a city", ("city",),
        ("What time is it in {city}?", "What is the time in {city}?", "Time in {city}", "How late is it in {city}?", "Tell me the local time in {city}.", "Is it night in {city}?"),
        '{{"time": "{h}:{m}"}}', "It is {h}:{m} in {city}."),
    "get_price": ("Get the price of a product", ("product",),
        ("What does a {product} cost?", "What is the price of a {product}?", "How expensive is a {product}?", "Price of a {product}", "Tell me the price of a {product}.", "How much is a {product}?"),
        '{{"price": {n}}}', "The price of the {product} is {n} dollars."),
    "send_email": ("Send an email", ("to", "subject"),
        ("Send an email to {to} about the {subject}.", "Write {to} an email about the {subject}.", "Email {to} about the {subject}.", "Mail {to} about the {subject}.", "Please email {to}, the subject is {subject}.", "Inform {to} by email about the {subject}."),
        '{{"sent": true}}', "I sent the email about the {subject} to {to}."),
    "set_reminder": ("Set a reminder", ("text", "day"),
        ("Remind me on {day} to buy a {text}.", "Set a reminder for {day}: {text}.", "On {day} remind me of the {text}.", "Remind me of the {text} on {day}.", "I need a reminder on {day} about the {text}.", "Create a reminder about the {text} for {day}."),
        '{{"saved": true}}', "I will remind you of the {text} on {day}."),
    "search_flights": ("Search flights between two cities", ("origin", "destination"),
        ("Find flights from {origin} to {destination}.", "Search a flight from {origin} to {destination}.", "I want to fly from {origin} to {destination}.", "Flights from {origin} to {destination}", "Show me flights from {origin} to {destination}.", "Is there a flight from {origin} to {destination}?"),
        '{{"flight": "{code}", "price": {n}}}', "Flight {code} goes from {origin} to {destination} for {n} dollars."),
    "get_phone": ("Look up the phone number of a person", ("person",),
        ("What is the phone number of {person}?", "Find the phone number of {person}.", "Phone number of {person}", "How can I call {person}?", "Look up the number of {person}.", "I need to call {person}."),
        '{{"phone": "{phone}"}}', "The phone number of {person} is {phone}."),
}  # fmt: skip

# What else developers call these tools and their parameters.
_CALLED = {
    "get_weather": ("get_weather", "weather", "get_current_weather", "fetch_weather", "weather_lookup", "lookup_weather", "weather_now", "check_weather"),
    "get_time": ("get_time", "time", "get_local_time", "current_time", "time_lookup", "fetch_time", "clock", "check_time"),
    "get_price": ("get_price", "price", "price_lookup", "fetch_price", "get_product_price", "lookup_price", "check_price", "product_price"),
    "send_email": ("send_email", "email", "send_mail", "mail", "write_email", "email_sender", "send_message", "mailer"),
    "set_reminder": ("set_reminder", "reminder", "create_reminder", "add_reminder", "remind", "new_reminder", "make_reminder", "save_reminder"),
    "search_flights": ("search_flights", "find_flights", "flights", "flight_search", "lookup_flights", "get_flights", "list_flights", "search_flight"),
    "get_phone": ("get_phone", "phone", "lookup_phone", "phone_lookup", "find_phone", "get_phone_number", "phone_book", "find_number"),
}  # fmt: skip
_KEYS = {
    "city": ("location", "place", "town"), "product": ("item", "name"), "to": ("recipient", "receiver"), "subject": ("title", "topic"),
    "text": ("task", "note"), "day": ("date", "when"), "origin": ("start", "source"), "destination": ("target", "goal"), "person": ("who", "contact"),
}  # fmt: skip


def make(side: Side) -> Dialogue:
    """A question with tools offered: the right call, the answer from a result, or no call."""
    offered = side.sample(list(_TOOLS), side.random.randint(1, 3))
    called = {tool: side.pick(_CALLED[tool]) for tool in offered}
    keys = {key: side.choice((key, *_KEYS.get(key, ()))) for tool in offered for key in _TOOLS[tool][1]}
    tools = [definition(tool, called[tool], keys) for tool in offered]
    if side.chance(0.15):
        plain = talk.make(side)
        inner = plain.check
        return Dialogue(
            AREA, plain.messages, plain.answer, lambda text: "<tool_call>" not in text and inner(text), tools
        )
    chosen = side.choice(offered)
    _, parameters, asks, result, answer = _TOOLS[chosen]
    values = _values(side)
    question = polite(side, side.pick(asks).format(**values))
    arguments = {keys[key]: values[key] for key in parameters}
    function = called[chosen]
    if side.chance(0.5):
        return Dialogue(AREA, [user(question)], call(function, arguments), same_call(function, arguments), tools)
    made = {"id": "call_1", "type": "function", "function": {"name": function, "arguments": json.dumps(arguments)}}
    messages: list[Message] = [
        user(question),
        {"role": "assistant", "content": "", "tool_calls": [made]},
        {"role": "tool", "tool_call_id": "call_1", "content": result.format(**values)},
    ]
    final = answer.format(**values)
    shown = [str(values[key]) for key in ("n", "sky", "h", "m", "code", "phone") if "{" + key + "}" in answer]
    return Dialogue(AREA, messages, final, says(*(shown or [values[parameters[0]]])), tools)


def definition(tool: str, name_: str, keys: dict[str, str]) -> dict[str, Any]:
    """A tool in the shape of the chat-completions API, under a name and with parameters of the developer's choice."""
    description = _TOOLS[tool][0]
    parameters = [keys[key] for key in _TOOLS[tool][1]]
    schema = {
        "type": "object",
        "properties": {key: {"type": "string"} for key in parameters},
        "required": parameters,
    }
    return {"type": "function", "function": {"name": name_, "description": description, "parameters": schema}}


def call(name_: str, arguments: dict[str, Any]) -> str:
    """A call as the model writes it."""
    return f"<tool_call>\n{json.dumps({'name': name_, 'arguments': arguments})}\n</tool_call>"


def same_call(name_: str, arguments: dict[str, Any]) -> Check:
    """The answer is this one call."""

    def check(text: str) -> bool:
        body = text.strip().removeprefix("<tool_call>").removesuffix("</tool_call>").strip()
        try:
            return bool(json.loads(body) == {"name": name_, "arguments": arguments})
        except ValueError:
            return False

    return check


def _values(side: Side) -> dict[str, Any]:
    thing = side.choice(THINGS)
    origin, destination = side.sample(CITIES, 2)
    return {
        "city": city(side), "product": thing, "text": thing, "subject": thing, "day": side.choice(DAYS), "to": name(side), "person": name(side),
        "origin": origin, "destination": destination, "n": side.random.randint(2, 900), "sky": side.choice(["sunny", "cloudy", "rainy", "windy", "clear"]),
        "h": f"{side.random.randint(0, 23):02}", "m": f"{side.random.randint(0, 59):02}",
        "code": made_up(side, 1)[:2].upper() + str(side.random.randint(10, 999)), "phone": str(side.random.randint(100000, 999999)),
    }  # fmt: skip
