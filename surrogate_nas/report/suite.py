"""The page of a suite: its verdict and its tables."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from surrogate_nas.files import replacing

if TYPE_CHECKING:
    from surrogate_nas.suite import SuiteResult


def write_suite_report(result: SuiteResult, folder: Path, *, command: str = "") -> Path:
    """Write ``report.html``; it is whole or as it was before.

    Args:
        result: What the suite has found.
        folder: Where to write; made if it is missing.
        command: The command that made it, which the page shows.

    Returns:
        The path of the page.

    Raises:
        UserError: The folder cannot be written.
    """
    from surrogate_nas.suite.tables import TABLES

    said = "".join(f"<p>{escape(sentence)}</p>" for sentence in result.verdict.sentences)
    tables = "".join(f"<h2>{name}</h2>{table(result).to_html(index=False)}" for name, table in TABLES.items())
    title = escape(result.suite.title)
    page = f'<!doctype html><meta charset="utf-8"><title>{title}</title><h1>{title}</h1>{said}{tables}'
    path = folder / "report.html"
    with replacing(path) as temporary:
        temporary.write_text(f"{page}<pre>{escape(command)}</pre>\n", encoding="utf-8", errors="backslashreplace")
    return path
