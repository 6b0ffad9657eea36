"""The wire format: requests, responses, stream chunks and errors of the chat-completions API.

Typed msgspec structs and the functions that parse them from bytes. They are independent of HTTP, models and keys. The
server and the SDK both import them, so each shape is defined once.
"""
