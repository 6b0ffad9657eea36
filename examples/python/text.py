"""Continue a text, without a conversation."""

from forefront import ForefrontClient

with ForefrontClient(default_model="forefront-mini") as client:
    start = "Pizza with olives\n\nIngredients:\n- 60 g olives\n-"
    print(start, end="")
    for piece in client.completions.create(prompt=start, max_tokens=24, temperature=0, stream=True):
        for choice in piece.choices:
            print(choice.text, end="", flush=True)
print()
