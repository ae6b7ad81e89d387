"""Addresses for programs that are told where to listen before they do."""

import random
import socket
from contextlib import suppress

_given: set[int] = set()


def free_address() -> str:
    """An address where nothing listens yet, each another one. Below the ports that programs get which ask for any, so that nobody takes it by chance."""
    while True:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            if port not in _given:
                _given.add(port)
                return f"127.0.0.1:{port}"
