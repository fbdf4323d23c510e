"""The reports of comparisons and suites: one self-contained page each, and its figures as files beside it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from surrogate_nas.report.explorer import beside, write_explorer, write_suite_explorer
from surrogate_nas.report.suite import write_suite_report

if TYPE_CHECKING:
    from surrogate_nas.study.comparison import Comparison

__all__ = ["write_explorer", "write_report", "write_suite_explorer", "write_suite_report"]


def write_report(comparison: Comparison, folder: Path, *, command: str = "") -> Path:
    """Write ``report.html`` and ``figures/*.png``; each file is whole or as it was before.

    The page has a link to ``explore.html`` where that lies in the folder (see `write_explorer`).

    Args:
        comparison: What is reported, with one finished run or more.
        folder: Where to write; made if it is missing. Baselines that it holds are shown.
        command: The command that made the comparison, which the page shows.

    Returns:
        The path of the page.

    Raises:
        UserError: The folder cannot be written.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> import surrogate_nas as sn
        >>> found = sn.compare("fashion", ["random", "local_search"], "valid_loss", runs=2, budget=20)
        >>> with TemporaryDirectory() as folder:
        ...     page = write_report(found, Path(folder))
        ...     page.name, "local_search" in page.read_text(encoding="utf-8")
        ('report.html', True)
    """
    from surrogate_nas.report.page import Page  # it draws: whoever wants a number only does not wait for that
    from surrogate_nas.report.writing import write_page
    from surrogate_nas.study.baselines.record import read_baselines

    page = Page(comparison, command, read_baselines(folder), beside(folder))
    html = page.html()
    return write_page(html, page.pictures, folder)
