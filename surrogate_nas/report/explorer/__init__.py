"""The explorer: one page in which every cell of a comparison, or of a suite's problems, is looked
at by hand.

It carries its packed data and its script inside, and asks no network for anything.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from surrogate_nas.files import write_whole

if TYPE_CHECKING:
    from surrogate_nas.results.comparison import StudyResult

EXPLORER = "explore.html"
"""The name of its file, beside the report's."""


def write_explorer(result: "StudyResult", folder: Path) -> Path | None:
    """Write ``explore.html``, with a choice of the problems of a suite; whole or as it was before.

    Args:
        result: What is explored, with one finished run or more. Trials of a suite that it does not
            hold are read from its folder.

    Returns:
        The path of the page; None for a suite whose trials are nowhere.

    Raises:
        UserError: The folder cannot be written, or a problem's is damaged.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> import surrogate_nas as sn
        >>> found = sn.compare(
        ...     "fashion",
        ...     ["random", "local_search"],
        ...     "valid_loss + 0.1*params",
        ...     runs=2,
        ...     budget=20,
        ... )
        >>> with TemporaryDirectory() as folder:
        ...     write_explorer(found, Path(folder)).name
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
