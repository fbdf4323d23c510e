"""The explorer: a page for interactive exploration of all cells of a comparison or a suite.

The page contains its compressed data and its script, so it works offline.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from surrogate_nas.files import write_whole

if TYPE_CHECKING:
    from surrogate_nas.results.comparison import StudyResult

EXPLORER = "explore.html"
"""The file name of the explorer, in the folder of the report."""


def write_explorer(result: "StudyResult", folder: Path) -> Path | None:
    """Write the explorer of a result atomically to ``explore.html``. The page of a suite has a menu
    of its problems.

    Args:
        result: The result to explore, with at least one finished run. If the result of a suite does
            not contain its trials, they are read from the suite's folder.

    Returns:
        The path of the page, or None for a suite without stored trials.

    Raises:
        UserError: The folder is not writable, or the folder of a problem is damaged.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> import surrogate_nas as sn
        >>> comparison = sn.compare(
        ...     "fashion",
        ...     ["random", "local_search"],
        ...     "valid_loss + 0.1*params",
        ...     runs=2,
        ...     budget=20,
        ... )
        >>> with TemporaryDirectory() as folder:
        ...     write_explorer(comparison, Path(folder)).name
        'explore.html'
    """
    from surrogate_nas.report.explorer.problem import Page, ProblemData
    from surrogate_nas.report.reading import (
        Comparison,
        SuiteResult,
        numbers_of,
        stored_problems,
    )

    if isinstance(result, SuiteResult):
        page = Page(f"The cells of {result.suite.name}", problems=len(result.problems))
        runs = max(entry.runs for entry in result.suite.entries)
        for name, comparison in stored_problems(result, runs):
            page.add(name, ProblemData(comparison, result.strategies, runs).packed)
    else:
        assert isinstance(result, Comparison)
        page = Page(f"The cells of {result.title}")
        description = result.description
        data = ProblemData(
            result, description["strategies"], numbers_of(description)[-1] + 1
        )
        page.add(result.title, data.packed)
    return write_whole(folder / EXPLORER, page.html()) if page.included else None
