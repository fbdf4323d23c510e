"""Read any folder of results: a search, a comparison, a suite, or a path over λ."""

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
    """Read the results in a folder, finished or not, in the form in which they were returned.

    Args:
        folder: The argument ``folder=`` of `surrogate_nas.search`, `surrogate_nas.compare`,
            `surrogate_nas.run_suite` or `surrogate_nas.lambda_path`, or ``--out``.
        against: Other folders of comparisons or of suites, whose runs are added. If a strategy
            differs between two folders, its label includes the name of the folder.
        benchmark: The benchmark, opened or by name, if it has no name or opening it runs a file of
            yours. A name that is read from the folder never loads code.
        verify: Whether to look up all scores again instead of the best one of each run.

    Returns:
        A `Run` if the folder contains a single run, otherwise a `Comparison`, `SuiteResult` or
        `LambdaPath`.

    Raises:
        UserError: The folder does not exist, or contains no results, no finished run yet or damaged
            results. Or the benchmark cannot be opened or contradicts a score.

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
    """Read the results in a folder like `read`, but a search as a comparison of one run.

    Args:
        source: The folder, or a result.
        against: The same as for `read`.
        benchmark: The same as for `read`.
        verify: The same as for `read`.

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
