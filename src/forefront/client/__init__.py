"""The Python SDK: a sync and an async client over one core that does no I/O.

`request` builds calls, `result` and `failure` read what comes back, `stream` turns events into chunks; none of these
knows of sockets. `transport` alone does, and it alone imports httpx, when the first client is made: importing
`forefront` stays light, for the server too.
"""
