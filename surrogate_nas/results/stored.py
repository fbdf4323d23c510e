"""Functions that read any folder of results: of a search, a comparison, a suite, or a path over
λ.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from surrogate_nas.benchmarks import Benchmark
from surrogate_nas.core import UserError, checked
from surrogate_nas.results.api import read_comparison, stored_suite
from surrogate_nas.results.comparison import Comparison, StudyResult
from surrogate_nas.results.lambda_path import LambdaPath, read_lambda_path, steps_in
from surrogate_nas.results.suite import SuiteResult
from surrogate_nas.runs.run import Run
from surrogate_nas.runs.store import PLAN, PROBLEMS


@checked
def read(
    folder: str | Path,
    *,
    against: Sequence[str | Path] = (),
    benchmark: str | Benchmark | None = None,
    verify: bool = False,
) -> Run | Comparison | SuiteResult | LambdaPath:
    """Read the results in a folder, finished or not, and return them as the function that wrote the
    folder did.

    Args:
        folder: The folder that was passed as ``folder=`` to `surrogate_nas.search`,
            `surrogate_nas.compare`, `surrogate_nas.run_suite` or `surrogate_nas.lambda_path`, or as
            ``--out`` to a command.
        against: Other folders of comparisons or of suites, whose runs are added. If a strategy
            differs between two folders, its label includes the name of the folder.
        benchmark: The opened benchmark or its name. This argument is needed only if the benchmark
            has no name, or if opening the benchmark runs a file of yours. For safety, code is never
            loaded by a name that was read from the folder.
        verify: Whether to look up all scores in the table again, instead of only the best score of
            each run.

    Returns:
        A `Run` if the folder contains a single run, otherwise a `Comparison`, `SuiteResult` or
        `LambdaPath`.

    Raises:
        UserError: The folder does not exist, contains no results or no finished run, or is damaged,
            or the benchmark cannot be opened or contradicts a score.

    Example:
        >>> import surrogate_nas as sn
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     run = sn.search("fashion", "random", budget=20, folder=folder)
        ...     again = read(folder)
        >>> again == run, again.curves().equals(run.curves())
        (True, True)
    """
    found = results_of(folder, against=against, benchmark=benchmark, verify=verify)
    if isinstance(found, Comparison):
        asked = found.description
        if len(asked["strategies"]) == asked["runs"] == 1:
            return found.finished_runs[0]
    return found


Source = Comparison | SuiteResult | LambdaPath | str | Path
"""The source of an export: a folder, or a result in memory."""


def results_of(
    source: Source,
    *,
    against: Sequence[str | Path] = (),
    benchmark: str | Benchmark | None = None,
    verify: bool = False,
) -> Comparison | SuiteResult | LambdaPath:
    """Read the results in a folder like `read`, except that a single search is returned as a
    comparison of one run.

    Args:
        source: The folder of the results, or a result that has been read already.
        against: Other folders whose runs are added, as for `read`.
        benchmark: The opened benchmark or its name, as for `read`.
        verify: Whether to look up all scores in the table again, as for `read`.

    Example:
        >>> import surrogate_nas as sn
        >>> result = results_of(sn.compare("fashion", ["random"], runs=2, budget=12))
        >>> result.name, result.missing
        ('fashion', 0)
    """
    if isinstance(source, StudyResult):
        return source
    if not isinstance(source, str | Path):
        raise UserError(f"Pass a folder or the result of a study, not {source!r:.80}.")
    folder = Path(source)
    if (folder / PLAN).is_file() or (folder / PROBLEMS).is_dir():
        return stored_suite(folder, against=against, benchmark=benchmark, verify=verify)
    if steps_in(folder) and against:
        raise UserError(
            f"{folder} contains a path over λ, to which no other folder can be added."
        )
    if steps_in(folder):
        return read_lambda_path(folder, benchmark=benchmark)
    if not (folder / "experiment.json").is_file():
        state = "is a file" if folder.exists() else "does not exist"
        raise UserError(
            f"{folder} {'contains no results' if folder.is_dir() else state}. Name the folder of a"
            " search, a comparison, a suite or a path over λ (folder=, --out)."
        )
    found = read_comparison(folder, against=against, benchmark=benchmark, verify=verify)
    return replace(found, folder=folder)
