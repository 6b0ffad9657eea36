"""Print the answer while it is made; then what it cost."""

from forefront import ForefrontClient

with (
    ForefrontClient(default_model="forefront-mini") as client,
    client.chat.completions.stream(
        messages=[{"role": "user", "content": "Write a recipe for an italian dinner"}],
        temperature=0,
    ) as stream,
):
    for piece in stream.text:
        print(piece, end="", flush=True)
    usage = stream.final_completion().usage
    print(f"\n\n{usage.input_tokens} tokens in, {usage.output_tokens} out")
