"""How our process and those of strangers' strategies speak: a length in eight bytes, then that many bytes."""

from __future__ import annotations

import socket
import struct
import time
from typing import NamedTuple

HEAD = struct.Struct("<q")
LARGEST_ANSWER = 16 * 2**20
"""The most bytes that we read of a stranger's process at once."""
LIBRARIES = ("surrogate_nas", "numpy", "scipy", "sklearn", "torch", "xgboost", "numba")
"""What is imported before a fork if an earlier process needed it: ours, and what strategies and models of ours need."""
_LONGEST_WAIT = 1e6


class Birth(NamedTuple):
    """What a new process is told first.

    Attributes:
        entry: ``module:function`` that runs there.
        path: Where modules are found.
        folder: The working directory.
        environment: The environment variables.
        space: A pickled space of ours, so that all processes share its cells; or None.
    """

    entry: str
    path: list[str]
    folder: str
    environment: dict[str, str]
    space: bytes | None


def send(link: socket.socket, content: bytes, deadline: float) -> None:
    """Write a message.

    Args:
        link: The socket.
        content: The message.
        deadline: When `TimeoutError` is raised, on the monotonic clock.
    """
    link.settimeout(left(deadline))
    link.sendall(HEAD.pack(len(content)) + content)


def read(link: socket.socket, length: int, deadline: float) -> bytes:
    """Read so many bytes.

    Args:
        link: The socket.
        length: How many.
        deadline: When `TimeoutError` is raised, on the monotonic clock.

    Raises:
        EOFError: The other side has closed it.
    """
    parts = bytearray()
    while len(parts) < length:
        link.settimeout(left(deadline))
        part = link.recv(min(length - len(parts), 2**20))
        if not part:
            raise EOFError
        parts += part
    return bytes(parts)


def receive(link: socket.socket) -> bytes:
    """Read a message of one whom we trust.

    Args:
        link: The socket.
    """
    forever = time.monotonic() + _LONGEST_WAIT
    return read(link, HEAD.unpack(read(link, HEAD.size, forever))[0], forever)


def left(deadline: float) -> float:
    """The seconds until a deadline.

    Args:
        deadline: On the monotonic clock.

    Raises:
        TimeoutError: It has passed.
    """
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimeoutError
    return min(seconds, _LONGEST_WAIT)
