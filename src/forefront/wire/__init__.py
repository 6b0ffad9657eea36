"""The words on the wire: requests, responses, stream chunks and errors of the chat-completions API.

Typed msgspec structs and the functions that read them from bytes. Knows nothing of HTTP, models or keys; the server
and the SDK both import it, so a request and its answer are spelled in exactly one place.
"""
