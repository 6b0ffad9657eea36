"""Ask again without paying again: the same key gives the first run's answer."""

import uuid

from forefront import ForefrontClient

key = str(uuid.uuid4())  # keep it with your job, so that a restarted job has it too
with ForefrontClient(default_model="forefront-mini") as client:
    for _ in range(2):
        completion = client.chat.completions.create(
            messages=[{"role": "user", "content": "Say hello"}], max_tokens=16, idempotency_key=key
        )
        print(completion.id, completion.message.content)
