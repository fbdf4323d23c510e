"""The report of a suite: one self-contained page, its figures as files, and every table as CSV and LaTeX."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from surrogate_nas.report.explorer import beside

if TYPE_CHECKING:
    from surrogate_nas.study.suite import SuiteResult


def write_suite_report(result: SuiteResult, folder: Path, *, command: str = "") -> Path:
    """Write ``report.html``, ``figures/*.png`` and ``tables/*``; each file is whole or as it was before.

    The page has a link to ``explore.html`` where that lies in the folder (see `write_suite_explorer`).

    Args:
        result: What the suite has found.
        folder: Where to write; made if it is missing.
        command: The command that made it, which the page shows.

    Returns:
        The path of the page.

    Raises:
        UserError: The folder cannot be written.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from surrogate_nas.study.suite import read_suite, run_suite
        >>> result = run_suite(read_suite("starter").only(["fashion"]).entered(["random", "evolution"], runs=2))
        >>> with TemporaryDirectory() as folder:
        ...     page = write_suite_report(result, Path(folder))
        ...     page.name, (Path(folder) / "tables").is_dir()
        ('report.html', True)
    """
    from surrogate_nas.report.suite.page import SuitePage  # it draws: whoever wants a number only does not wait for it
    from surrogate_nas.report.writing import write_page
    from surrogate_nas.study.suite.tables import write_tables

    page = SuitePage(result, command, beside(folder))
    html = page.html()
    write_tables(result, folder / "tables")
    return write_page(html, page.pictures, folder)
