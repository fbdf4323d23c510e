"""Verifying an archive: that its files are whole, and that its results are what their seeds give.

What can be recomputed is: first cells from the root seed, every score and charge from the tables of
this release, and runs of the project's own strategies, a share of them or all. Code that comes with
an archive is never run, so the runs of a user's strategy are held against tables and budgets alone,
which is told.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from surrogate_nas.core.errors import UserError
from surrogate_nas.core.numbers import plural
from surrogate_nas.objective import Objective
from surrogate_nas.strategies import STRATEGIES, StrategyEntry, strategy_entry
from surrogate_nas.study.answers import ENDED_EARLY
from surrogate_nas.study.api import stored_objective
from surrogate_nas.study.archive import Archive, names_of, not_run, runs_of, unpack, without
from surrogate_nas.study.beginning import BEGINNING
from surrogate_nas.study.confirm import confirm
from surrogate_nas.study.ledger import check_run, contradiction
from surrogate_nas.study.options import STORED, Budget, ObjectiveOptions, Options
from surrogate_nas.study.problem import SUITES, Problem, Suite, read_plan, read_suite
from surrogate_nas.study.recorded import recordable
from surrogate_nas.study.run import Run
from surrogate_nas.study.search import first_cells, make_run
from surrogate_nas.study.store import DESCRIPTION, PLAN, PROBLEMS, Store, as_file_name, provenance

SHARE = 0.1
"""Of the runs of each strategy that are made again; at least one is."""
_MOST = 50
"""Problems that are told."""
_MOST_FAILED = 10_000
"""The largest budget in cells of a failed run that is made again."""
_WITHIN = 1e-6
"""How far recorded constants may differ, as a share of the larger or of 1."""

Progress = Callable[[int, int], None]


@dataclass
class Verification:
    """What was found in an archive.

    Attributes:
        archive: What it says of itself; None where that cannot be read.
        problems: What is wrong, a line each.
        notes: What could not be looked at, a line each.
        runs: How many runs are right by their tables and budgets.
        replayed: How many were made again.
    """

    archive: Archive | None = None
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    runs: int = 0
    replayed: int = 0

    @property
    def valid(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def to_json(self) -> dict[str, Any]:
        """All of it as a JSON object."""
        more = len(self.problems) - _MOST
        archive = self.archive
        return {
            "valid": self.valid,
            "problems": self.problems[:_MOST] + ([f"and {more} more"] if more > 0 else []),
            "notes": self.notes,
            "runs": self.runs,
            "replayed": self.replayed,
            "name": None if archive is None else archive.name,
            "digest": None if archive is None else archive.digest,
            "by": None if archive is None else archive.by,
            "created": None if archive is None else archive.created,
        }


@dataclass(frozen=True)
class _Part:
    """A comparison of an archive.

    Attributes:
        place: What the names of its files begin with.
        store: Its folder.
        runs: How many an archive must hold, by strategy.
        description: What it says that was compared.
        objective: On the table of this release.
    """

    place: str
    store: Store
    runs: Mapping[str, int]
    description: Mapping[str, Any]
    objective: Objective

    @property
    def budget(self) -> Budget:
        return Budget(**self.description["budget"])

    @property
    def options(self) -> Options:
        described = self.description
        return Options(**{one.name: described.get(one.name, one.default) for one in STORED})

    @property
    def has_one_worker(self) -> bool:
        return self.options.simulated_workers == 1 and self.options.in_flight is None


def verify(
    path: Path,
    *,
    replay_all: bool = False,
    benchmark: str | None = None,
    progress: Progress | None = None,
) -> Verification:
    """Verify an archive.

    Args:
        path: Its file.
        replay_all: Whether all runs of the project's own strategies on tables are made again, not
            a share of them that follows from the archive's digest.
        benchmark: A benchmark's name again, where opening it runs a file of the user's.
        progress: Called with (runs made again, runs in all).
    """
    found = Verification()
    with TemporaryDirectory(prefix="snas-archive-") as temporary:
        folder = Path(temporary)
        try:
            archive = found.archive = unpack(path, folder)
            parts = list(_parts(folder, archive, benchmark, found))
            runs = [(part, run) for part in parts for run in _checked_runs(part, found)]
            found.runs = len(runs)
            chosen = _chosen(runs, found, archive.digest, replay_all=replay_all)
            for done, (part, run, entry) in enumerate(chosen):
                if progress:
                    progress(done, len(chosen))
                found.problems += _replayed(part, run, entry)
                found.replayed += 1
        except UserError as error:
            found.problems.append(str(error))
        found.problems = [without(folder, path, line) for line in found.problems]
        found.notes = [without(folder, path, line) for line in found.notes]
    return found


def _parts(
    folder: Path, archive: Archive, benchmark: str | None, found: Verification
) -> Iterator[_Part]:
    """The comparisons of an archive that can be read, each with its objective."""
    is_suite = (folder / PLAN).is_file()
    suite = read_plan(folder / PLAN) if is_suite else None
    if is_suite != (archive.kind == "suite"):
        raise UserError(f"It says that it is a {archive.kind}, and is none.")
    names = {PLAN} if is_suite else set()
    asked = {} if suite is None else {one.name: one for one in suite.problems}
    if suite is not None:
        found.problems += _other_suite(suite)
        found.notes += [f"{name} was not run: {why}" for name, why in not_run(folder).items()]
    for place, runs in runs_of(folder).items():
        store = Store(folder / place)
        needed = names_of(store, runs)
        names |= {f"{place}{name}" for name in needed}
        lacking = [name for name, is_needed in needed.items() if is_needed]
        lacking = [name for name in lacking if f"{place}{name}" not in archive.files]
        found.problems += [f"{place}{name} is missing." for name in lacking]
        try:
            part = _part(place, store, runs, benchmark)
        except UserError as error:
            found.problems.append(f"{place}{DESCRIPTION}: {error}")
            continue
        found.problems += _other_sources(part, archive)
        problem = asked.get(place.removeprefix(f"{PROBLEMS}/").rstrip("/"))
        wrong = _wrong_in(part, problem, None if suite is None else suite.seed)
        found.problems += [f"{place}{DESCRIPTION}: {one}" for one in wrong]
        if not part.objective.benchmark.has_columns:
            name = part.objective.benchmark.name
            found.notes.append(f"{name} is no table: its scores are not recomputed.")
        yield part
    found.problems += [f"{name} belongs to no run." for name in sorted({*archive.files} - names)]


def _part(place: str, store: Store, runs: Mapping[str, int], benchmark: str | None) -> _Part:
    description = store.read()
    if lacking := [label for label in runs if label not in description["strategies"]]:
        raise UserError(f"it has no strategy {lacking[0]}.")
    if finals := ObjectiveOptions.read(description["objective"]).search_on_final:
        raise UserError(f"it searches on {', '.join(finals)}, a final metric: nothing is held out.")
    objective = stored_objective(store.folder, description, benchmark, recorded=False)
    return _Part(place, store, runs, description, objective)


def _other_sources(part: _Part, archive: Archive) -> Iterator[str]:
    """The files of users' code that are not what their comparison was made with."""
    for label, sources in (part.description.get("sources") or {}).items():
        for file, digest in sources.items():
            name = f"{part.place}sources/{as_file_name(label)}/{as_file_name(file)}"
            if archive.files.get(name, {}).get("sha256", digest) != digest:
                yield f"{name} is not what the runs of {label} were made with."


def _other_suite(suite: Suite) -> list[str]:
    """What a suite that is called as one of the project's has otherwise."""
    if suite.name not in SUITES:
        return []
    ours = {one.name: one for one in read_suite(suite.name).problems}
    return [
        f"{PLAN}: {one.name} is no problem of the suite {suite.name} as it comes with the project."
        for one in suite.problems
        if ours.get(one.name) != one
    ]


def _wrong_in(part: _Part, problem: Problem | None, seed: int | None) -> list[str]:
    """What a comparison says of itself that is not so, or not what its suite asks."""
    objective = part.objective
    described = part.description
    wrong = []
    fresh = objective.on(objective.benchmark)  # the folder's own may only say its fingerprint
    told = {**described["objective"], "fingerprint": described["fingerprint"]}
    for name, now in fresh.describe().items():
        if not _alike(told.get(name, now), now):
            wrong.append(f"{name} is {told[name]!r:.80}, and {now!r:.80} in this release.")
    reference = described.get("reference")
    for name, now in (recordable(objective, part.budget) or {}).items():
        if reference and not _alike(reference.get(name, now), now):
            wrong.append(f"the recorded {name} is not that of {objective.benchmark.name}.")
    if problem is None:
        return wrong
    bound = problem.on(objective.benchmark)
    asked = {
        "benchmark": problem.benchmark,
        "budget": vars(problem.budget),
        "first_cells": problem.first_cells,
        "seed": seed,
    }
    wrong += [
        f"{name} is {described[name]!r:.80}, and {wanted!r:.80} in {PLAN}."
        for name, wanted in asked.items()
        if described[name] != wanted
    ]
    if (str(bound), bound.seed_policy) != (str(objective), objective.seed_policy):
        wrong.append(f"it minimises {objective}, and {PLAN} asks for {bound}.")
    return wrong


def _alike(one: Any, other: Any) -> bool:
    """Whether two values of JSON are the same, numbers up to rounding."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return all(_alike(one[name], other[name]) for name in one.keys() & other.keys())
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_alike, one, other))
    if isinstance(one, int | float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=_WITHIN, abs_tol=_WITHIN)
    return bool(one == other)


def _checked_runs(part: _Part, found: Verification) -> list[Run]:
    """The runs of a comparison that are right by their table and budget."""
    space = part.objective.benchmark.space
    runs = []
    for label, n in part.runs.items():
        for number in range(n):
            path = part.store.path(label, number)
            try:
                run = part.store.load(label, number, space)
                if run is not None:
                    check_run(run, part.objective, path)
            except UserError as error:
                found.problems.append(str(error))
                continue
            if run is None:
                if path.is_file():  # else it was told that it is missing
                    found.problems.append(f"{path} has not ended.")
                continue
            try:
                wrong = _wrong_with(part, run)
            except (KeyError, ValueError) as error:  # a trial without what its epochs have
                wrong = f"a trial has other values than its objective: {error}."
            if wrong := wrong or _wrong_confirmation(part, run):
                found.problems.append(f"{path}: {wrong}")
            else:
                runs.append(run)
            if run.failure:
                found.notes.append(f"{path} failed: {run.failure:.200}")
    return runs


def _wrong_with(part: _Part, run: Run) -> str:
    """What of a run does not follow from its comparison; empty where all does."""
    budget = part.budget
    if (run.budget_cells, run.budget_seconds) != (budget.cells, budget.seconds):
        return "it was made with another budget."
    if run.failure:
        return ""
    begun = _wrong_beginning(part, run)
    if begun:
        return begun
    if wrong := contradiction(
        run,
        part.objective,
        part.options.seed,
        whole=True,
        charges=part.has_one_worker,
    ):
        trial, name, stored, true = wrong
        return (
            f"trial {trial.index}: {name} of {trial.cell} is {stored:.10g}, and {true:.10g} in"
            f" {part.objective.benchmark.name}."
        )
    if part.has_one_worker and (late := _wrong_clock(run)):
        return late
    return _wrong_end(part, run)


def _wrong_confirmation(part: _Part, run: Run) -> str:
    """What of a confirmed winner does not follow from its run; empty where all does, or where its
    cells would be trained.
    """
    stored = run.confirmed
    if stored is None or not part.objective.benchmark.has_columns:
        return ""
    asked = stored.asked
    root = part.options.seed
    again = confirm(part.objective, run, asked.cells, asked.seeds, against=asked.against, root=root)
    if _alike(stored.stored(), again.stored()):
        return ""
    return "its confirmed winner is not what fresh seeds give."


def _wrong_beginning(part: _Part, run: Run) -> str:
    """Which first cell is not that of the run's seed."""
    options = part.options
    most = len(run.trials)
    drawn = first_cells(
        part.objective.benchmark.space, min(options.first_cells, most), options.seed, run.run
    )
    first = (part.description.get(BEGINNING) or {}).get("first", [])
    wanted = list(dict.fromkeys([*first, *(cell.text for cell in drawn)]))[:most]
    made = [trial.cell.text for trial in run.trials]
    if part.has_one_worker:
        made = made[: len(wanted)]
    missing = [
        (place, cell)
        for place, cell in enumerate(wanted)
        if (made[place] != cell if part.has_one_worker else cell not in made)
    ]
    if not missing:
        return ""
    place, cell = missing[0]
    return f"cell {place} is not {cell}, which its seed begins with."


def _wrong_clock(run: Run) -> str:
    """Which trial is not when it must have been."""
    now = 0.0
    for trial in run.trials:
        ended = trial.started + trial.cost_seconds
        if not (_alike(trial.started, now) and _alike(trial.finished, ended)):
            return f"trial {trial.index} is out of its order in time."
        now = trial.finished
    return ""


def _wrong_end(part: _Part, run: Run) -> str:
    """Whether a run has another number of trials than its budget pays for."""
    budget = part.budget
    n = len(run.trials)
    target = part.options.target
    if budget.cells is not None and n > budget.cells:
        return f"it has {n} trials, and its budget pays for {budget.cells}."
    if budget.seconds is not None and run.trials[-1].finished > budget.seconds * (1 + _WITHIN):
        return f"it ends after {run.trials[-1].finished:g}, and its budget at {budget.seconds:g}."
    reached = target is not None and any(
        trial.feasible and trial.score <= target for trial in run.answers
    )
    if budget.seconds is None and n != budget.cells and not reached and not _ended_early(run):
        return f"it has {plural(n, 'trial')} of {budget.cells}."
    return ""


def _ended_early(run: Run) -> bool:
    """Whether it says that it was ended from outside, which none of the project's own can be."""
    return ENDED_EARLY in run.diagnosis and strategy_entry(run.strategy).target not in STRATEGIES


_Chosen = tuple[_Part, Run, StrategyEntry]


def _chosen(
    runs: list[tuple[_Part, Run]], found: Verification, digest: str, *, replay_all: bool
) -> list[_Chosen]:
    """The runs that are made again; why others cannot be is noted, once for each strategy."""
    by_strategy: dict[str, list[_Chosen]] = {}
    for part, run in runs:
        entry, why = _replayable(part, run)
        if entry is not None:
            by_strategy.setdefault(run.strategy, []).append((part, run, entry))
        elif (note := f"{run.strategy} is not replayed: {why}.") not in found.notes:
            found.notes.append(note)
    if replay_all:
        return [one for of_one in by_strategy.values() for one in of_one]
    rng = np.random.default_rng(int(digest, 16))
    chosen = []
    for of_one in by_strategy.values():
        n = math.ceil(SHARE * len(of_one))
        chosen += [of_one[i] for i in sorted(rng.choice(len(of_one), n, replace=False))]
    return chosen


def _replayable(part: _Part, run: Run) -> tuple[StrategyEntry | None, str]:
    """A run's strategy, where it can be made again here without code from elsewhere; else why
    not.
    """
    if not part.objective.benchmark.has_columns:
        return None, f"{part.objective.benchmark.name} is no table"
    if run.strategy in (part.description.get("sources") or {}):
        return None, "it is a user's own code, which is never run from an archive"
    entry = strategy_entry(run.strategy)
    if entry.target not in STRATEGIES:
        return None, "it does not come with the project, or trains networks"
    if not all(_is_plain(value) for value in entry.options.values()):
        return None, "its options may name code"
    if part.description.get(BEGINNING):
        return None, "it began with cells of its user's"
    if part.options.in_flight is not None:
        return None, "its trainings were in flight together"
    if run.failure and (part.budget.cells or math.inf) > _MOST_FAILED:
        return None, "it failed, and its budget is large"
    return entry, ""


def _is_plain(value: object) -> bool:
    """Whether an option's value names no file."""
    if isinstance(value, str):
        return value.isidentifier()
    return value is None or isinstance(value, bool | int | float)


def _replayed(part: _Part, run: Run, entry: StrategyEntry) -> list[str]:
    """What a run does otherwise when it is made again."""
    made = make_run(part.objective, part.budget, part.options, entry, run.run)
    path = part.store.path(run.strategy, run.run)
    pairs = zip(
        [(trial.cell.text, trial.epochs) for trial in run.trials],
        [(trial.cell.text, trial.epochs) for trial in made.trials],
        strict=False,
    )
    for index, (stored, again) in enumerate(pairs):
        if stored != again:
            return [
                f"{path}: trial {index} is {stored[0]}, and {again[0]} by its seed"
                f" ({_made_with(part)})."
            ]
    if (len(run.trials), run.failure) != (len(made.trials), made.failure):
        return [f"{path}: it ends otherwise than by its seed ({_made_with(part)})."]
    return []


def _made_with(part: _Part) -> str:
    """The releases that made a run and make it again."""
    then = part.description["provenance"]
    now = provenance()
    differing = [name for name in now if then.get(name) != now[name]]
    if not differing:
        return "made with the same releases"
    return "made with " + ", ".join(
        f"{name} {str(then.get(name, 'unknown')):.40}, here {now[name]}" for name in differing
    )
