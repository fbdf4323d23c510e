"""How commands speak: results on standard output, progress and messages on standard error."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

_PIPED_WIDTH = 200
"""Columns of a table that is not shown on a terminal."""

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]


def emit(content: Any, as_json: bool, show: Callable[[], None]) -> None:
    """Print a result as JSON or for people.

    Args:
        content: The JSON document.
        as_json: Whether to print it.
        show: Prints the result for people.
    """
    if as_json:
        sys.stdout.write(json.dumps(_finite(content), allow_nan=False) + "\n")
    else:
        show()


def _finite(content: Any) -> Any:
    """JSON has no NaN and no infinity: they become null."""
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    if isinstance(content, float) and not math.isfinite(content):
        return None
    return content


def note(message: str) -> None:
    """Print a message on standard error.

    Args:
        message: One line.
    """
    sys.stderr.write(f"{message}\n")


def show_table(columns: Sequence[str], rows: Sequence[Sequence[object]], title: str | None = None) -> None:
    """Print a table for people; numbers are right-aligned.

    Args:
        columns: The headings.
        rows: The cells.
        title: Printed above.
    """
    table = Table(title=title, title_justify="left")
    for i, column in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[i], int | float) for row in rows)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_text(value) for value in row))
    width = None if sys.stdout.isatty() else _PIPED_WIDTH
    Console(markup=False, emoji=False, highlight=False, width=width).print(table)


def _text(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar on standard error, where that is a terminal.

    Args:
        what: What is counted.

    Yields:
        A function of (done, in all).
    """
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
