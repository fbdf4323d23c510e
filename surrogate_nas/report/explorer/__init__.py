"""The explorer: one interactive page of all cells of a comparison or of a suite's problems.

It contains its packed data and its script, and loads nothing from a network.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from surrogate_nas.files import write_whole

if TYPE_CHECKING:
    from surrogate_nas.study.comparison import Comparison
    from surrogate_nas.study.suite import SuiteResult

EXPLORER = "explore.html"
"""The name of its file, beside the report's."""


def beside(folder: Path) -> str:
    """The file name of the explorer in a folder, or empty if it has none."""
    return EXPLORER if (folder / EXPLORER).is_file() else ""


def write_explorer(comparison: Comparison, folder: Path) -> Path:
    """Write ``explore.html`` of a comparison; it is whole or as it was before.

    Args:
        comparison: A comparison with at least one finished run.
        folder: Where to write; made if it is missing.

    Raises:
        UserError: The folder cannot be written.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> import surrogate_nas as sn
        >>> found = sn.compare(
        ...     "fashion", ["random", "local_search"], "valid_loss + 0.1*params", runs=2, budget=20
        ... )
        >>> with TemporaryDirectory() as folder:
        ...     write_explorer(found, Path(folder)).name
        'explore.html'
    """
    from surrogate_nas.report.explorer.page import Page
    from surrogate_nas.report.explorer.problem import ProblemData

    benchmark = comparison.objective.benchmark
    strategies = comparison.description["strategies"]
    runs = comparison.description["runs"]
    page = Page(f"The cells of {benchmark.name}")
    page.add(benchmark.name, ProblemData(comparison, strategies, runs).packed)
    return write_whole(folder / EXPLORER, page.html())


def write_suite_explorer(result: SuiteResult, folder: Path) -> Path | None:
    """Write ``explore.html`` of a suite, for all problems; it is whole or as it was before.

    Args:
        result: The result of the suite. Trials that it does not hold are read from its folder.
        folder: Where the page goes.

    Returns:
        The path of the page; None where the suite has no folder.

    Raises:
        UserError: The folder cannot be written, or the folder of a problem is damaged.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from surrogate_nas.study.problem import read_suite
        >>> from surrogate_nas.study.api import run_suite
        >>> suite = read_suite("starter").only(["fashion"]).entered(["random", "evolution"], runs=2)
        >>> with TemporaryDirectory() as folder:
        ...     page = write_suite_explorer(run_suite(suite, folder), Path(folder))
        ...     page.name if page else "none"
        'explore.html'
    """
    from surrogate_nas.report.explorer.page import Page
    from surrogate_nas.report.explorer.problem import ProblemData
    from surrogate_nas.report.reading import stored_problems

    page = Page(f"The cells of {result.suite.name}", problems=len(result.problems))
    runs = max(entry.runs for entry in result.suite.entries)
    for name, comparison in stored_problems(result, runs):
        page.add(name, ProblemData(comparison, result.strategies, runs).packed)
    return write_whole(folder / EXPLORER, page.html()) if page.included else None
