"""The upstream backend: answers from other servers with an OpenAI-compatible API."""
