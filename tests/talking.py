"""The external program of the tests, `tests.examples_talker`, as commands name it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests import examples_talker

FILE = Path(examples_talker.__file__)
ASKED = "valid_loss + 0.1*params"


def command(how: str = "draw", file: Path | None = None) -> str:
    return " ".join(["python", FILE.name, how, str(file or "")]).strip()


def talker(how: str = "draw", file: Path | None = None, **options: Any) -> str:
    more = "".join(f",{name}={value!r}" for name, value in options.items())
    return f"external(command={command(how, file)!r}{more})"
