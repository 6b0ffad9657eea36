"""The openai package works unchanged: only the base URL is another."""

import os

from openai import OpenAI

url = os.environ.get("FOREFRONT_BASE_URL", "http://127.0.0.1:8000")
client = OpenAI(base_url=f"{url}/v1", api_key=os.environ["FOREFRONT_API_KEY"])
stream = client.chat.completions.create(
    model="forefront-mini", messages=[{"role": "user", "content": "Say hello"}], temperature=0, stream=True
)
for chunk in stream:
    if chunk.choices:
        print(chunk.choices[0].delta.content or "", end="", flush=True)
print()
