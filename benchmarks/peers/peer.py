"""A server under test."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Peer:
    """Its address, the key and the model's name there, its process, and its version for the heading of a table."""

    name: str
    version: str
    url: str
    key: str
    model: str
    pid: int
