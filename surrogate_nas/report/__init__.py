"""The report of a study: one self-contained HTML page."""

from pathlib import Path
from typing import TYPE_CHECKING

from surrogate_nas.files import write_whole
from surrogate_nas.report.explorer import EXPLORER, write_explorer

if TYPE_CHECKING:
    from surrogate_nas.results.comparison import StudyResult

_NUMBERS = "summary.json"

__all__ = ["write_explorer", "write_report"]


def write_report(
    result: "StudyResult", folder: str | Path, *, command: str = ""
) -> Path:
    """Write the report of a result atomically to ``report.html``, and the tables of a suite to
    ``tables/``.

    The page links to ``explore.html`` if that file is in the folder (see `write_explorer`).

    Args:
        result: The result to report. If the result has no finished run, the report page says so.
        folder: The folder to write to, which is created if it does not exist.
        command: The command line that made the result, or an empty string.

    Raises:
        UserError: The folder is not writable.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> import surrogate_nas as sn
        >>> comparison = sn.compare(
        ...     "fashion", ["random", "local_search"], "valid_loss", runs=2, budget=20
        ... )
        >>> with TemporaryDirectory() as folder:
        ...     page = sn.write_report(comparison, folder)
        ...     page.name, "local_search" in page.read_text(encoding="utf-8")
        ('report.html', True)
    """
    from surrogate_nas.report.page import Page
    from surrogate_nas.report.reading import Study, SuiteResult, write_tables

    folder = Path(folder)
    if isinstance(result, SuiteResult):
        write_tables(result, folder / "tables")
    study = Study(
        result,
        command=command,
        explorer=EXPLORER if (folder / EXPLORER).is_file() else "",
        numbers=_NUMBERS if (folder / _NUMBERS).is_file() else "",
    )
    return write_whole(folder / "report.html", Page(study).html())
