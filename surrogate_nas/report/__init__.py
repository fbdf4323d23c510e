"""The reports of comparisons and suites: one self-contained page each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from surrogate_nas.report.explorer import beside, write_explorer, write_suite_explorer

if TYPE_CHECKING:
    from surrogate_nas.study.comparison import Comparison
    from surrogate_nas.study.suite import SuiteResult

_NUMBERS = "summary.json"

__all__ = ["write_explorer", "write_report", "write_suite_explorer", "write_suite_report"]


def write_report(comparison: Comparison, folder: Path, *, command: str = "") -> Path:
    """Write ``report.html``; it is whole or as it was before.

    The page has a link to ``explore.html`` where that lies in the folder (see `write_explorer`).

    Args:
        comparison: What is reported, with one finished run or more.
        folder: Where to write; made if it is missing. Baselines that it holds are shown.
        command: The command that made the comparison, which the page shows.

    Raises:
        UserError: The folder cannot be written.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> import surrogate_nas as sn
        >>> found = sn.compare(
        ...     "fashion", ["random", "local_search"], "valid_loss", runs=2, budget=20
        ... )
        >>> with TemporaryDirectory() as folder:
        ...     page = write_report(found, Path(folder))
        ...     page.name, "local_search" in page.read_text(encoding="utf-8")
        ('report.html', True)
    """
    from surrogate_nas.report.page import Page
    from surrogate_nas.report.reading import Study, read_baselines

    numbers = _NUMBERS if (folder / _NUMBERS).is_file() else ""
    return Page(Study(comparison, command, beside(folder), numbers, read_baselines(folder))).write(
        folder
    )


def write_suite_report(result: SuiteResult, folder: Path, *, command: str = "") -> Path:
    """Write ``report.html`` and ``tables/*``; each file is whole or as it was before.

    The page has a link to ``explore.html`` where that lies in the folder (see
    `write_suite_explorer`).

    Args:
        result: What the suite has found.
        folder: Where to write; made if it is missing.
        command: The command that made it, which the page shows.

    Raises:
        UserError: The folder cannot be written.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from surrogate_nas.study.problem import read_suite
        >>> from surrogate_nas.study.api import run_suite
        >>> result = run_suite(
        ...     read_suite("starter").only(["fashion"]).entered(["random", "evolution"], runs=2)
        ... )
        >>> with TemporaryDirectory() as folder:
        ...     page = write_suite_report(result, Path(folder))
        ...     page.name, (Path(folder) / "tables").is_dir()
        ('report.html', True)
    """
    from surrogate_nas.report.page import Page
    from surrogate_nas.report.reading import Study, write_tables

    write_tables(result, folder / "tables")
    return Page(Study(result, command, beside(folder))).write(folder)
