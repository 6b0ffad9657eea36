"""Ask once and print the answer. FOREFRONT_API_KEY and FOREFRONT_BASE_URL say whom."""

from forefront import ForefrontClient

with ForefrontClient(default_model="forefront-mini") as client:
    completion = client.chat.completions.create(
        messages=[
            {"role": "system", "content": "You are a gourmet chef"},
            {"role": "user", "content": "Write a recipe for an italian dinner"},
        ],
        temperature=0,
        max_tokens=256,
    )
    print(completion.message.content)
    print(completion.usage.output_tokens, "tokens")
