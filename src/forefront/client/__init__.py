"""The Python SDK: a sync and an async client over one core that does no I/O.

`request` builds calls, `retry` decides about another try, `result`, `structured` and `failure` read what comes back,
`sse` and `stream` turn bytes into chunks, `accumulate` puts chunks together; none of these knows of sockets.
`transport` sends, with `response`, `fuse` and `unreachable`; these alone import httpx, when the first client is made:
importing `forefront` stays light, for the server too.
"""
