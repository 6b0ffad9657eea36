"""Ask several questions at once with asyncio."""

import asyncio

from forefront import AsyncForefrontClient

DISHES = ["italian dinner", "indian lunch", "easy breakfast"]


async def main() -> None:
    async with AsyncForefrontClient(default_model="forefront-mini") as client:
        create = client.chat.completions.create
        prompts = [f"Write a recipe for an {dish}" for dish in DISHES]
        calls = [create(messages=[{"role": "user", "content": prompt}], max_tokens=64) for prompt in prompts]
        answers = await asyncio.gather(*calls)
    for dish, answer in zip(DISHES, answers, strict=True):
        print(f"{dish}: {(answer.message.content or '').splitlines()[0]}")


asyncio.run(main())
