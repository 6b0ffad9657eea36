"""The Python SDK: a sync and an async client on one core without I/O.

`request` and `json_body` build calls. `decoding`, `structured` and `error_parsing` read responses. `sse` and `stream`
turn bytes into chunks, and `accumulate` turns chunks into completions. `resources` has the methods of the clients.
`transport` sends calls; only it imports httpx, when the first client is created, so that `import forefront` stays
light.
"""
