"""Jobs for engines: one that ends its process, one that raises, one that never ends."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from surrogate_nas.core.errors import UserError


def fall(number: int) -> int:
    """A job that ends its process if its number is 3 or 5."""
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    if number == 5:
        os._exit(7)
    return number


def fail(number: int) -> int:
    if number == 2:
        raise UserError("no two")
    return number


def sleep(folder: Path, number: int) -> None:
    """A job that never ends, and says that it began."""
    (folder / f"{number}-{os.getpid()}").touch()
    while True:
        time.sleep(0.01)
