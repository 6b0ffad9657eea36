"""Ask several questions at once with asyncio."""

import asyncio

from forefront import AsyncForefrontClient

DISHES = ["italian dinner", "indian lunch", "easy breakfast"]


async def main() -> None:
    async with AsyncForefrontClient(default_model="forefront-mini") as client:
        questions = [[{"role": "user", "content": f"Write a recipe for an {dish}"}] for dish in DISHES]
        ask = client.chat.completions.create
        answers = await asyncio.gather(*(ask(messages=question, max_tokens=64) for question in questions))
    for dish, answer in zip(DISHES, answers, strict=True):
        print(f"{dish}: {(answer.message.content or '').splitlines()[0]}")


asyncio.run(main())
