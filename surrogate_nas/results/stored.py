"""One door to what a folder holds: a search, a comparison, a suite, or a path over λ."""

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
    """Read what a folder holds, finished or not, as the call returned it that made it.

    Args:
        folder: What was ``folder=`` of `surrogate_nas.search`, `surrogate_nas.compare`,
            `surrogate_nas.run_suite` or `surrogate_nas.lambda_path`, or ``--out``.
        against: Further such folders of comparisons or of suites, whose runs are added to those of
            the first one. Of a strategy that did different things in two folders, each has the
            folder's name behind its own.
        benchmark: The benchmark again, opened or by name, where it has no name or opening it runs a
            file of yours: a name that is read from a folder never loads code.
        verify: Whether all scores are looked up again, not the best of each run alone.

    Returns:
        A `Run` where the folder holds one run of one strategy, else a `Comparison`, `SuiteResult`
        or `LambdaPath`.

    Raises:
        UserError: The folder does not exist, or holds no results, no finished run yet, or a damaged
            one. Or the benchmark cannot be opened, or contradicts a score.

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
"""What can be exported: a folder, or a result in memory."""


def results_of(
    source: Source,
    *,
    against: Sequence[str | Path] = (),
    benchmark: str | Benchmark | None = None,
    verify: bool = False,
) -> Comparison | SuiteResult | LambdaPath:
    """Read what a folder holds as `read` does, a search as the comparison of one run.

    Args:
        source: The folder; or a result, which needs no reading.
        against: As of `read`.
        benchmark: As of `read`.
        verify: As of `read`.

    Example:
        >>> import surrogate_nas as sn
        >>> result = results_of(sn.compare("fashion", ["random"], runs=2, budget=12))
        >>> result.name, result.missing
        ('fashion', 0)
    """
    if isinstance(source, StudyResult):
        return source
    if not isinstance(source, str | Path):
        raise UserError(f"Give a folder, or the result of a study, not {source!r:.80}.")
    folder = Path(source)
    if (folder / PLAN).is_file() or (folder / PROBLEMS).is_dir():
        return stored_suite(folder, against=against, benchmark=benchmark, verify=verify)
    if steps_in(folder) and against:
        raise UserError(
            f"{folder} is a path over λ, to which no other folder can be added."
        )
    if steps_in(folder):
        return read_lambda_path(folder, benchmark=benchmark)
    if not (folder / "experiment.json").is_file():
        state = "is a file" if folder.exists() else "does not exist"
        raise UserError(
            f"{folder} {'holds no results' if folder.is_dir() else state}. Name the folder of a"
            " search, a comparison, a suite or a path over λ (folder=, --out)."
        )
    found = read_comparison(folder, against=against, benchmark=benchmark, verify=verify)
    return replace(found, folder=folder)
