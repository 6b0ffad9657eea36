"""See what a request would cost before sending it."""

from forefront import ForefrontClient

with ForefrontClient(default_model="forefront-mini") as client:
    met = client.chat.completions.preflight(
        messages=[{"role": "user", "content": "Write a recipe for an italian dinner"}], max_tokens=256
    )
print(f"{met.prompt_tokens} of {met.context_length} tokens; it {'fits' if met.fits else 'does not fit'}")
