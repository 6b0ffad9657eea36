"""Free ports."""

import random
import socket


def free_port() -> int:
    """A port of 127.0.0.1 without a listener. It lies below the range from which systems take the ports of outgoing
    connections, so none of those can occupy it before it is used."""
    chance = random.SystemRandom()
    while True:
        port = chance.randrange(20_000, 32_000)
        with socket.socket() as free:
            try:
                free.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
