"""Functions of later rooms that earlier rooms call; the front door sets each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

write_report: Callable[[Any, Path], Path]
"""Writes the page of a result into a folder."""
