"""What tests of papers share: a paper that is made, and its rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from analysis.papers import reproduce
from analysis.papers.common.paper import Row


def rows_of(name: str, folder: Path, **options: Any) -> dict[tuple[str, str, str], Row]:
    """The rows of a paper by method, data set and metric."""
    made = reproduce(name, folder=folder, **options)
    return {(row.method, row.dataset, row.metric): row for row in made.rows}
