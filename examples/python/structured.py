"""Get an object instead of a text: a valid instance of the model class."""

from typing import Literal

from pydantic import BaseModel

from forefront import ForefrontClient, UserMessageParam


class Dish(BaseModel):
    meal: Literal["breakfast", "lunch", "dinner"]
    vegetarian: bool


with ForefrontClient(default_model="forefront-mini") as client:
    question: UserMessageParam = {"role": "user", "content": "Pizza with olives and peppers: for which meal is it?"}
    dish = client.chat.completions.parse(messages=[question], response_format=Dish, temperature=0).parsed
    print(dish.meal, "without meat" if dish.vegetarian else "with meat")
