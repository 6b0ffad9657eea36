"""What can go wrong, and what to do about it."""

from forefront import APIConnectionError, APIStatusError, ForefrontClient, NotFoundError, RateLimitError

client = ForefrontClient(max_retries=3, timeout=30)
try:
    client.chat.completions.create(model="forefront-mimi", messages=[{"role": "user", "content": "Hello"}])
except RateLimitError as error:
    print(f"Come back in {error.retry_after} seconds")
except NotFoundError as error:
    print(f"{error.code}: {error.message}")
except APIStatusError as error:
    print(f"{error.status_code} for request {error.request_id}; to blame: {error.param}")
except APIConnectionError as error:
    print(f"No answer: {error}")
