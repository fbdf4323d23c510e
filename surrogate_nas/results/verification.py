"""The verification of an archive: its files must be complete, and its results must follow from its
seeds.

A verification recomputes the initial cells from the root seed, and every score and cost from the
tables of this release. A verification also recomputes all fields of the description that follow
from the problem, and repeats some or all runs of built-in strategies. Code in an archive is never
executed. Runs of user-defined strategies are therefore checked only against tables and budgets,
which the result of the verification states.
"""

import heapq
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from msgspec.structs import asdict

from surrogate_nas.benchmarks import reopen, runs_code
from surrogate_nas.core import AbsentError, UserError, plural
from surrogate_nas.files.formats import RELEASE
from surrogate_nas.objective import Objective
from surrogate_nas.results.api import stored_objective
from surrogate_nas.results.archive import (
    MANIFEST,
    Archive,
    names_of,
    runs_of,
    unpack,
    without,
)
from surrogate_nas.runs.beginning import BEGINNING, Beginning
from surrogate_nas.runs.confirm import confirm
from surrogate_nas.runs.ledger import check_run, contradiction
from surrogate_nas.runs.options import (
    USUAL,
    Budget,
    ObjectiveOptions,
    Options,
    ended_by,
)
from surrogate_nas.runs.problem import SUITES, Problem, Suite, read_plan, read_suite
from surrogate_nas.runs.run import Run
from surrogate_nas.runs.runner import Experiment
from surrogate_nas.runs.scale import recordable
from surrogate_nas.runs.search import first_cells, make_run
from surrogate_nas.runs.store import (
    DESCRIPTION,
    NUMBERS,
    PLAN,
    PROBLEMS,
    Store,
    as_file_name,
    provenance,
)
from surrogate_nas.stats.summaries import Row
from surrogate_nas.strategies import LABELS, STRATEGIES, StrategyEntry, stored_entry

SHARE = 0.1
"""The share of the runs of each strategy to repeat; at least one run is repeated."""
_MOST_TOLD = 50
# How far recorded constants may differ, as a share of the larger or of 1
_WITHIN = 1e-6


@dataclass
class Verification:
    """The result of verifying an archive.

    Attributes:
        archive: The metadata of the archive, or None if the metadata cannot be read.
        problems: The errors that the verification found, one line each.
        absent: What this machine lacks for the verification, such as a table, one line each with
            the remedy.
        notes: What cannot be verified on any machine, one line each.
        runs: The number of runs that agree with their tables and budgets.
        runs_in_all: The number of all runs in the archive.
        replayed: Number of runs that were repeated.
    """

    archive: Archive | None = None
    problems: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    runs: int = 0
    runs_in_all: int = 0
    replayed: int = 0

    @property
    def valid(self) -> bool | None:
        """Whether the archive is valid, that is, no error was found. The value is None if this
        machine lacks what is needed to decide.
        """
        if self.problems:
            return False
        return None if self.absent else True

    @property
    def share(self) -> float:
        """The share of the archive's runs that were repeated, from 0 to 1."""
        return self.replayed / max(self.runs_in_all, 1)

    def to_json(self) -> Row:
        """Return the verification as a JSON object."""
        more = len(self.problems) - _MOST_TOLD
        cut = [f"and {more} more"] if more > 0 else []
        return {
            "valid": self.valid,
            "problems": self.problems[:_MOST_TOLD] + cut,
            **{name: getattr(self, name) for name in ("absent", "notes", "runs")},
            "runs_in_all": self.runs_in_all,
            "replayed": self.replayed,
            "share": round(self.share, 4),
            **{
                name: getattr(self.archive, name, None)
                for name in ("name", "digest", "by", "created")
            },
        }


@dataclass(frozen=True)
class _Part:
    """A comparison of an archive: the prefix of its file names, its folder, the numbers of the
    required runs by strategy, and its problem on the table of this release.
    """

    prefix: str
    store: Store
    runs: Mapping[str, Sequence[int]]
    description: Mapping[str, Any]
    objective: Objective
    beginning: Beginning
    budget: Budget
    options: Options

    @property
    def has_one_worker(self) -> bool:
        return self.options.simulated_workers == 1 and self.options.in_flight is None


def verify(
    path: Path,
    *,
    replay_all: bool = False,
    benchmark: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Verification:
    """Verify an archive.

    Args:
        replay_all: Whether to repeat all runs of built-in strategies on tables, instead of a sample
            that is determined by the archive's digest.
        benchmark: The name of a benchmark. This argument is needed only if opening the benchmark
            runs a file of the user.
        progress: A function that is called with the number of repeated runs and the number of runs
            to repeat.
    """
    result = Verification()
    with TemporaryDirectory(prefix="snas-archive-") as temporary:
        folder = Path(temporary)
        try:
            archive = result.archive = unpack(path, folder)
            parts = list(_parts(folder, archive, benchmark, result))
            runs = [
                (part, run) for part in parts for run in _checked_runs(part, result)
            ]
            result.runs = len(runs)
            chosen = _chosen(runs, result, archive.digest, replay_all=replay_all)
            if replay_all and not chosen and result.valid:
                result.problems.append(
                    "No run can be repeated, but all runs were requested."
                )
            for done, (part, run) in enumerate(chosen):
                if progress:
                    progress(done, len(chosen))
                result.problems += _replayed(part, run)
                result.replayed += 1
        except UserError as error:
            result.problems.append(str(error))
        for lines in (result.problems, result.absent, result.notes):
            lines[:] = [without(folder, path, line) for line in lines]
    return result


def _parts(
    folder: Path, archive: Archive, benchmark: str | None, result: Verification
) -> Iterator[_Part]:
    is_suite = (folder / PLAN).is_file()
    suite = read_plan(folder / PLAN) if is_suite else None
    if is_suite != (archive.kind == "suite"):
        raise UserError(f"It is declared as a {archive.kind}, but is not one.")
    names = {PLAN} if is_suite else set()
    asked = {}
    benchmarks = set()
    if suite is not None:
        asked = {problem.name: problem for problem in suite.problems}
        result.problems += _other_suite(suite)
        result.notes += [
            f"{name} was not run: {why}" for name, why in suite.not_run.items()
        ]
    for prefix, runs in runs_of(folder).items():
        result.runs_in_all += sum(map(len, runs.values()))
        store = Store(folder / prefix)
        benchmarks.add(store.read()["benchmark"])
        for name, is_needed in names_of(store, runs).items():
            names.add(f"{prefix}{name}")
            if is_needed and f"{prefix}{name}" not in archive.files:
                result.problems.append(f"{prefix}{name} is missing.")
        try:
            part = _part(prefix, store, runs, benchmark)
            problem = asked.get(prefix.removeprefix(f"{PROBLEMS}/").rstrip("/"))
            wrong = [
                *_wrong_fields(part, suite, problem),
                *_wrong_labels(part, archive),
            ]
            result.problems += [f"{prefix}{line}" for line in wrong]
        except UserError as error:
            lines = result.absent if isinstance(error, AbsentError) else result.problems
            lines.append(f"{prefix}{DESCRIPTION}: {error}")
            continue
        if not part.objective.benchmark.has_columns:
            name = part.objective.benchmark.name
            result.notes.append(
                f"{name} is not a table: its scores are not recomputed."
            )
        yield part
    result.problems += [
        f"{name} does not belong to a run." for name in sorted({*archive.files} - names)
    ]
    if {table.name for table in archive.tables} != benchmarks:
        result.problems.append(
            f"{MANIFEST} lists other tables than {', '.join(sorted(benchmarks))}."
        )


def _part(
    prefix: str, store: Store, runs: Mapping[str, Sequence[int]], benchmark: str | None
) -> _Part:
    description = store.read()
    if lacking := [label for label in runs if label not in description["strategies"]]:
        raise UserError(f"it has no strategy {lacking[0]}.")
    if finals := ObjectiveOptions.read(description["objective"]).search_on_final:
        raise UserError(
            f"it searches by {', '.join(finals)}, a final metric, so no metric remains for testing."
        )
    named = () if benchmark is None else (benchmark,)
    try:
        reopen(description["address"], with_=description["with"], named=named)
    except UserError as error:
        raise AbsentError(str(error)) from error
    objective = stored_objective(store.folder, description, benchmark)
    beginning = Beginning.read(objective, description.get(BEGINNING))
    budget = Budget(**description["budget"])
    options = Options.read(description)
    return _Part(
        prefix, store, runs, description, objective, beginning, budget, options
    )


def _other_suite(suite: Suite) -> list[str]:
    if suite.name not in SUITES:
        return []
    own_suite = read_suite(suite.name)
    own_problems = {problem.name: problem for problem in own_suite.problems}
    wrong = [
        f"{PLAN}: {problem.name} is not a problem of the suite {suite.name} of this"
        " release."
        for problem in suite.problems
        if own_problems.get(problem.name) != problem
    ]
    if (suite.title, suite.seed) != (own_suite.title, own_suite.seed):
        wrong.append(f"{PLAN}: title or seed differs from the suite {suite.name}.")
    return wrong


# Fields of a description that the runs show, or that no release can recompute and on which no
# check depends; all others are compared
_UNCHECKED = {
    *(("", name) for name in ("strategies", "runs", NUMBERS, RELEASE, "provenance")),
    *(("", name) for name in ("extensions", "sources", "files", "versions", "version")),
    ("data", "others"),  # results cannot depend on the other columns of a table
}
_NESTED = ("objective", "data", "reference")


def _expected(part: _Part, suite: Suite | None, problem: Problem | None) -> Row:
    described = part.description
    options = asdict(part.options)
    objective, budget = part.objective, part.budget
    if suite is not None and problem is not None:
        objective, budget = problem.on(objective.benchmark), problem.run_budget
        options = {
            "seed": suite.seed,
            "n_random": problem.n_random,
            **suite.options,
        }
    try:
        expected = Experiment(objective, ["random"], 1, budget, **options).describe()
    except UserError as error:
        raise UserError(f"its options do not fit its benchmark: {error}") from error
    if described["fingerprint"] == (earlier := objective.table_fingerprint):
        expected["fingerprint"] = expected["objective"]["fingerprint"] = earlier
    if runs_code(described["address"]):
        # its file may lie elsewhere than it did
        expected["address"] = described["address"]
    if objective.benchmark.files is not None and "read" in described:
        # was compared with the files as it was opened
        expected["read"] = described["read"]
    expected[BEGINNING] = part.beginning.stored()
    expected["reference"] = recordable(objective, budget)
    return expected


def _wrong_fields(
    part: _Part, suite: Suite | None, problem: Problem | None
) -> Iterator[str]:
    """Yield unexpected fields. Folders of 0.1.0 have neither data nor reference."""
    described = {**USUAL, **part.description}
    expected = _expected(part, suite, problem)
    where = "this release" if suite is None else PLAN
    if problem and problem.benchmark not in (
        described["benchmark"],
        described["address"],
    ):
        name = described["benchmark"]
        yield f"{DESCRIPTION}: benchmark is {name!r:.80}, but {problem.benchmark!r:.80} in {where}."
    for name in _NESTED:
        if described.get(name) is None:
            described[name] = expected.get(name)
    fields, wanted = _flat(described), _flat(expected)
    for inside, name in sorted(fields.keys() | wanted):
        actual, required = fields.get((inside, name)), wanted.get((inside, name))
        if (inside, name) not in _UNCHECKED and not _equal(actual, required):
            what = "the recorded " if inside == "reference" else ""
            yield f"{DESCRIPTION}: {what}{name} is {actual!r:.80}, but {required!r:.80} in {where}."


def _flat(description: Mapping[str, Any]) -> dict[tuple[str, str], Any]:
    flat: dict[tuple[str, str], Any] = {}
    for name, value in description.items():
        if name in _NESTED and isinstance(value, Mapping):
            flat |= {(name, key): inner for key, inner in value.items()}
        else:
            flat["", name] = value
    return flat


def _wrong_labels(part: _Part, archive: Archive) -> Iterator[str]:
    described = part.description
    sources = described.get("sources") or {}
    for label in part.runs:
        entry = stored_entry(label, described)
        if label not in (described.get(LABELS) or {}) and entry.written != label:
            yield f"{DESCRIPTION}: {label!r:.80} should be written as {entry.written}."
        if label in sources and _is_own(entry):
            yield (
                f"{DESCRIPTION}: {label} is a built-in strategy, but is declared as a user's code."
            )
    for name in ("sources", "files", "versions"):
        for label in (described.get(name) or {}).keys() - set(described["strategies"]):
            yield f"{DESCRIPTION}: {name} names {label!r:.80}, which is not one of its strategies."
    for label, files in sources.items():
        for file, digest in files.items():
            name = f"sources/{as_file_name(label)}/{as_file_name(file)}"
            stored = archive.files.get(f"{part.prefix}{name}")
            if stored is not None and stored.sha256 != digest:
                yield f"{name} differs from what the runs of {label} were made with."


def _equal(left: Any, right: Any) -> bool:
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(
            _equal(left[n], right[n]) for n in left
        )
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(map(_equal, left, right))
    if bool in (type(left), type(right)):
        return left is right
    if isinstance(left, int | float) and isinstance(right, int | float):
        return math.isclose(left, right, rel_tol=_WITHIN, abs_tol=_WITHIN)
    return bool(left == right)


def _checked_runs(part: _Part, result: Verification) -> Iterator[Run]:
    asked = [
        (label, number) for label, numbers in part.runs.items() for number in numbers
    ]
    for label, number in asked:
        path = part.store.path(label, number)
        if not path.is_file():
            continue  # it was told that it is missing
        try:
            run = part.store.load(label, number, part.objective.benchmark.space)
            if run is None:
                raise UserError(f"{path} has not ended.")
            check_run(run, part.objective, path)
            for wrong in _wrong_with(part, run):
                raise UserError(f"{path}: {wrong}")
        except UserError as error:
            result.problems.append(str(error))
        except (KeyError, ValueError) as error:  # a trial without what its epochs have
            problem = f"{path}: a trial has other metrics than its objective: {error}."
            result.problems.append(problem)
        else:
            if run.failure:
                result.notes.append(f"{path} failed: {run.failure:.200}")
            yield run


def _wrong_with(part: _Part, run: Run) -> Iterator[str]:
    objective, budget = part.objective, part.budget
    if (run.budget_cells, run.budget_seconds) != (budget.cells, budget.seconds):
        yield "it was made with another budget."
    if not run.failure:
        yield from _wrong_beginning(part, run)
        yield from _wrong_trials(part, run)
        if part.options.in_flight is None:
            yield from _wrong_clock(part, run)
        yield from _wrong_end(part, run)
    if run.confirmed is not None and objective.benchmark.has_columns:
        asked = run.confirmed.asked
        shape = run, asked.cells, asked.seeds
        again = confirm(
            objective, *shape, against=asked.against, seed=part.options.seed
        )
        if not _equal(run.confirmed.stored(), again.stored()):
            yield "its confirmed winner differs from the result of fresh seeds."


def _wrong_beginning(part: _Part, run: Run) -> Iterator[str]:
    options, most = part.options, len(run.trials)
    random_cells = min(options.n_random, most)
    drawn = first_cells(
        part.objective.benchmark.space, random_cells, options.seed, run.run
    )
    texts = [trial.cell.text for trial in run.trials]
    for index, cell in enumerate(part.beginning.asked(drawn, most)):
        if texts[index] != cell.text if part.has_one_worker else cell.text not in texts:
            yield f"initial cell {index} is not {cell}, which follows from its seed."


def _wrong_trials(part: _Part, run: Run) -> Iterator[str]:
    objective = part.objective
    if run.judged is not None and not objective.trained_seeds:
        yield "it has results of further seeds, but its benchmark trains no cells."
    if run.scalarised and objective.n_objectives == 1:
        yield "it declares several combined objectives, but has one."
    for trial in run.trials:
        if trial.failure and objective.benchmark.has_columns:
            yield f"trial {trial.index} failed, but a look-up in a table cannot fail."
    if wrong := contradiction(
        run, objective, part.options.seed, whole=True, charges=True
    ):
        yield wrong


def _wrong_clock(part: _Part, run: Run) -> Iterator[str]:
    free = [0.0] * part.options.simulated_workers
    late = [
        now for before, now in pairwise(run.trials) if now.finished < before.finished
    ]
    for trial in sorted(run.trials, key=lambda trial: (trial.started, trial.finished)):
        since = heapq.heappop(free)
        began = since if part.has_one_worker else max(trial.started, since)
        times = (began, trial.started + trial.cost)
        if trial in late or not _equal((trial.started, trial.finished), times):
            yield f"trial {trial.index} is out of order in time."
        heapq.heappush(free, trial.finished)


def _wrong_end(part: _Part, run: Run) -> Iterator[str]:
    budget, n, end = part.budget, len(run.trials), run.trials[-1].finished
    if budget.cells is not None and n > budget.cells:
        yield f"it has {n} trials, but its budget pays for {budget.cells}."
    if budget.seconds is not None and end > budget.seconds * (1 + _WITHIN):
        yield f"it ends after {end:g}, but its budget ends at {budget.seconds:g}."
    if budget.seconds is None and n != budget.cells and not _early(run, part):
        yield f"it has {plural(n, 'trial')} of {budget.cells}."


def _early(run: Run, part: _Part) -> str:
    """Return why a run ended before its budget was spent. Built-in strategies cannot be stopped
    from outside.
    """
    is_own = stored_entry(run.strategy, part.description).target in STRATEGIES
    told = {} if is_own else run.diagnosis
    return ended_by(run.trials, run.epochs, part.options, told)


def _chosen(
    runs: list[tuple[_Part, Run]],
    result: Verification,
    digest: str,
    *,
    replay_all: bool,
) -> list[tuple[_Part, Run]]:
    by_strategy: dict[str, list[tuple[_Part, Run]]] = {}
    for part, run in runs:
        entry = stored_entry(run.strategy, part.description)
        if not (why := _why_not(part, run, entry)):
            by_strategy.setdefault(run.strategy, []).append((part, run))
        elif (note := f"{run.strategy} is not repeated: {why}.") not in result.notes:
            result.notes.append(note)
    rng = np.random.default_rng(int(digest, 16))
    chosen = []
    for of_one in by_strategy.values():
        n = len(of_one) if replay_all else math.ceil(SHARE * len(of_one))
        chosen += [of_one[i] for i in sorted(rng.choice(len(of_one), n, replace=False))]
    return chosen


def _why_not(part: _Part, run: Run, entry: StrategyEntry) -> str:
    if not part.objective.benchmark.has_columns:
        return f"{part.objective.benchmark.name} is not a table"
    if not _is_own(entry):
        if entry.label in (part.description.get("sources") or {}):
            return "it is user code, which is never executed from an archive"
        return "it is not built in, trains networks, or its options may name code"
    if run.failure and (part.budget.cells or math.inf) > 10_000:
        return "it failed, and its budget is large"
    return ""


def _is_own(entry: StrategyEntry) -> bool:
    return entry.target in STRATEGIES and all(
        value.isidentifier()
        if isinstance(value, str)
        else isinstance(value, int | float)
        for value in entry.options.values()
        if value is not None
    )


def _replayed(part: _Part, run: Run) -> list[str]:
    replayed = make_run(
        part.objective,
        part.budget,
        part.options,
        entry=stored_entry(run.strategy, part.description),
        run=run.run,
        beginning=part.beginning,
    )
    path = part.store.path(run.strategy, run.run)
    then = part.description["provenance"]
    versions = [
        f"{name} {str(then.get(name, 'unknown')):.40}, here {version}"
        for name, version in provenance().items()
        if then.get(name) != version
    ]
    with_what = f"(made with {', '.join(versions) or 'the same releases'})."
    for before, again in zip(run.trials, replayed.trials, strict=False):
        if (before.cell.text, before.epochs) != (again.cell.text, again.epochs):
            return [
                f"{path}: trial {again.index} is {before.cell.text}, but {again.cell.text} with its"
                f" seed {with_what}"
            ]
    ends = [
        (len(ended.trials), ended.failure, ended.scalarised)
        for ended in (run, replayed)
    ]
    if ends[0] != ends[1]:
        return [f"{path}: its end differs from the run with its seed {with_what}"]
    return []
