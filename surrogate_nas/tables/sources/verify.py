"""Is the data that is here what was published? What a check says; see `Source`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Verified:
    """One thing that was checked.

    Attributes:
        name: What was checked.
        passed: Whether it holds.
        detail: What was found.
    """

    name: str
    passed: bool
    detail: str

    def to_json(self) -> dict[str, Any]:
        """The check as a JSON object."""
        return asdict(self)
