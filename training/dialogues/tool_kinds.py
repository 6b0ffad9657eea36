"""Kinds of tools that developers offer, and what people ask that needs them."""

from collections.abc import Mapping
from dataclasses import dataclass

from training.dialogues.wordings import every


@dataclass(frozen=True)
class Kind:
    """What a tool does. `parameters` are its arguments with other names for each; braces hold values of a question."""

    descriptions: tuple[str, ...]
    verbs: tuple[str, ...]
    nouns: tuple[str, ...]
    parameters: Mapping[str, tuple[str, ...]]
    asks: tuple[str, ...]
    result: str
    answer: str


_FIND = ("get", "find", "fetch", "lookup", "check", "read", "query")
_CITY = {"city": ("location", "place", "town")}
_THING = {"thing": ("product", "item", "article")}
_PERSON = {"person": ("who", "contact", "name")}


def _about(*things: str) -> tuple[str, ...]:
    """Questions for a fact (`the weather in {city}`)."""
    return every(
        ("What is {x}?", "Tell me {x}.", "{x}", "Look up {x}.", "Can you find {x}?", "I need to know {x}.", "Find {x}.", "Do you know {x}?", "Check {x}.",
         "Show me {x}.", "Give me {x}.", "{x}, please", "I would like to know {x}."),
        x=things,
    )  # fmt: skip


def _described(what: str, *more: str) -> tuple[str, ...]:
    return every(
        ("Get {x}", "Returns {x}", "Look up {x}", "Finds {x}.", "Use this for {x}", "{x}", "Tells {x}."),
        x=(what, *more),
    )


KINDS = (
    Kind(_described("the weather of a city", "the current weather", "the weather at a place"), _FIND, ("weather", "forecast", "current_weather"), _CITY,
         (*_about("the weather in {city}", "the weather in {city} now", "the weather of {city}"), "How is the weather in {city}?", "Is it warm in {city}?", "Will I need a coat in {city}?",
          "Is it raining in {city}?", "Weather for {city} today?", "Is it cold in {city} today?", "Do I need an umbrella in {city}?", "Is the sun shining in {city}?"),
         '{{"temperature": {n}, "sky": "{sky}"}}', "It is {n} degrees and {sky} in {city}."),
    Kind(_described("the local time of a city", "what time it is at a place"), _FIND, ("time", "local_time", "clock"), _CITY,
         (*_about("the time in {city}", "the local time in {city}", "the current time in {city}"), "What time is it in {city}?", "How late is it in {city}?", "Is it night in {city}?",
          "What time do they have in {city}?", "Is it already morning in {city}?"),
         '{{"time": "{clock}"}}', "It is {clock} in {city}."),
    Kind(_described("the price of a product", "what a product costs"), _FIND, ("price", "product_price", "cost"), _THING,
         (*_about("the price of a {thing}", "the cost of a {thing}", "the price of the {thing}"), "What does a {thing} cost?", "How expensive is a {thing}?", "How much is a {thing}?",
          "How much does the {thing} cost?", "How much do I pay for a {thing}?"),
         '{{"price": {n}}}', "The price of the {thing} is {n} dollars."),
    Kind(_described("how many of a product are in stock", "the stock of an item"), (*_FIND, "count"), ("stock", "inventory", "supply"), _THING,
         (*_about("the stock of the {thing}", "the number of {thing} items in stock"), "Is the {thing} in stock?", "How many of the {thing} are left?", "Do we still have the {thing}?",
          "How many {thing} items do we have?", "Is there any {thing} left?"),
         '{{"count": {n}}}', "There are {n} of the {thing} in stock."),
    Kind(every(("Send {x}", "Sends {x} to a person.", "Use this to send {x}", "Write {x}"), x=("an email", "a mail", "an email message")), ("send", "write", "deliver"), ("email", "mail", "message"),
         {"person": ("to", "recipient", "receiver"), "thing": ("subject", "title", "topic")},
         every(("{do} {person} about the {thing}.", "{send} {person} about the {thing}.", "Please {do} {person}, the subject is {thing}.", "Let {person} know about the {thing} by email.",
                "{send} {person} with the subject {thing}."),
               do=("email", "mail", "write an email to", "inform by email"), send=("send an email to", "send a mail to", "write a mail to", "write to")),
         '{{"sent": true}}', "I sent the email about the {thing} to {person}."),
    Kind(every(("Set {x}", "Sets {x} for a day.", "Save {x}", "Creates {x}"), x=("a reminder", "an alarm note")), ("set", "create", "add", "save", "make"), ("reminder", "alert", "reminder_note"),
         {"thing": ("text", "task", "note"), "day": ("date", "when", "weekday")},
         every(("Remind me on {day} {of} the {thing}.", "Remind me {of} the {thing} on {day}.", "On {day} remind me {of} the {thing}.", "{do} a reminder {of} the {thing} for {day}.",
                "{do} a reminder for {day}: {thing}.", "I need a reminder on {day} {of} the {thing}."),
               of=("of", "about"), do=("set", "create", "add", "make", "save")),
         '{{"saved": true}}', "I will remind you of the {thing} on {day}."),
    Kind(_described("flights between two cities", "a flight from one city to another"), (*_FIND, "search", "list"), ("flights", "flight", "planes"),
         {"origin": ("start", "source", "departure"), "destination": ("target", "goal", "arrival")},
         (*_about("flights from {origin} to {destination}", "a flight from {origin} to {destination}"), "I want to fly from {origin} to {destination}.",
          "Search flights from {origin} to {destination}.", "Is there a flight from {origin} to {destination}?", "How can I fly from {origin} to {destination}?",
          "I have to fly to {destination} from {origin}.", "Are there flights to {destination} from {origin}?", "Which planes go from {origin} to {destination}?"),
         '{{"flight": "{code}", "price": {n}}}', "Flight {code} goes from {origin} to {destination} for {n} dollars."),
    Kind(_described("the distance between two cities", "how far two places are apart"), (*_FIND, "measure"), ("distance", "route_length", "kilometres"),
         {"origin": ("start", "source", "first"), "destination": ("target", "goal", "second")},
         (*_about("the distance from {origin} to {destination}", "the distance between {origin} and {destination}"), "How far is it from {origin} to {destination}?",
          "How many kilometres is {destination} from {origin}?", "How far is {destination} from {origin}?", "How long is the way from {origin} to {destination}?"),
         '{{"km": {n}}}', "It is {n} kilometres from {origin} to {destination}."),
    Kind(_described("the phone number of a person", "a number in the phone book"), _FIND, ("phone", "phone_number", "number"), _PERSON,
         (*_about("the phone number of {person}", "the number of {person}", "the telephone number of {person}"), "How can I call {person}?", "I need to call {person}.", "How do I reach {person} by phone?",
          "I want to phone {person}."),
         '{{"phone": "{phone}"}}', "The phone number of {person} is {phone}."),
    Kind(_described("the birthday of a person", "when a person was born"), _FIND, ("birthday", "birth_date", "anniversary"), _PERSON,
         (*_about("the birthday of {person}", "the day of birth of {person}"), "When is the birthday of {person}?", "When was {person} born?", "When does {person} have birthday?"),
         '{{"day": {n}, "weekday": "{day}"}}', "The birthday of {person} is day {n} of the year, a {day}."),
    Kind(every(("Play {x}", "Plays {x} on the speaker.", "Start {x}"), x=("music of a band", "songs", "music")), ("play", "start", "queue"), ("music", "song", "playlist"),
         {"band": ("artist", "singer", "musician")},
         every(("{do} {what} by {band}.", "{do} {what} of {band}.", "I want to hear {band}.", "Let me hear {what} by {band}.", "Put on {band}."),
               do=("play", "start", "put on"), what=("something", "music", "a song", "songs")),
         '{{"playing": true}}', "I am playing music by {band}."),
    Kind(every(("Switch {x}", "Sets {x}", "Change {x}"), x=("the colour of a light", "the light of a room", "the colour of the lamps")), ("set", "switch", "change", "turn"), ("light", "lamp", "colour"),
         {"colour": ("color", "shade", "tone")},
         every(("{do} the {lamp} to {colour}.", "Make the {lamp} {colour}.", "I want the {lamp} to be {colour}.", "{colour} {lamp}, please.", "Let the {lamp} shine {colour}."),
               do=("set", "change", "switch", "turn"), lamp=("light", "lamp", "lights", "lamps")),
         '{{"done": true}}', "The light is {colour} now."),
    Kind(every(("Book {x}", "Reserves {x}", "Make a booking of {x}"), x=("a table", "a table on a day", "a table in a restaurant")), ("book", "reserve", "order"), ("table", "restaurant", "seat"),
         {"day": ("date", "when", "weekday"), "person": ("name", "guest", "who")},
         every(("{do} a table on {day} for {person}.", "{do} a table for {person} on {day}.", "I need a table on {day}, the name is {person}.", "Get us a table for {day} in the name of {person}.",
                "On {day} {person} needs a table."), do=("book", "reserve", "order")),
         '{{"booking": "{code}"}}', "The table for {person} on {day} is booked: {code}."),
)  # fmt: skip
