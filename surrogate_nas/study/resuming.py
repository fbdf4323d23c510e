"""Check that an objective is that of a folder's results, although its table may have grown.

A table is identified by what it means: of every metric and length of training the numbers of all
cells, as mean and by seed, with unit, kind and quantity (`surrogate_nas.tables.Contents`).
`snas data fetch nb201` adds tests, losses, devices and a shorter training to three tables that the
installed package makes alone. The fingerprint of an objective covers the columns that it reads, so
it stays. A folder goes on with that part of the table that it was begun with, so that charges and
the epochs that a strategy may ask for stay, too.

Numbers are the same where their bits are. What results cannot depend on (final metrics, and costs
that the objective does not read) may differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from surrogate_nas.benchmarks import Benchmark, Question
from surrogate_nas.benchmarks.table import differing
from surrogate_nas.core.errors import AbsentError, UserError
from surrogate_nas.objective import Objective
from surrogate_nas.objective.objective import CONVENTIONS
from surrogate_nas.study.ledger import contradiction
from surrogate_nas.study.options import ObjectiveOptions
from surrogate_nas.study.store import ELSEWHERE, Store, numbers_of
from surrogate_nas.tables import Contents, Run, runs_of
from surrogate_nas.tables.table import epochs_text

_MOST_NAMED = 4


def resumed(objective: Objective, folder: Path | None) -> Objective:
    """The objective as a folder was begun with it.

    Args:
        objective: What is asked for now.
        folder: A comparison's; nothing is compared where there is none yet, or it holds failed runs
            alone.

    Raises:
        UserError: The folder is of the same question and of other numbers; the line says which.
    """
    if folder is None or not (store := Store(folder)).exists or store.is_empty:
        return objective
    stored = store.read()
    # of another question the store says what differs
    if not asks_the_same(stored, objective):
        return objective
    try:
        begun = as_begun(objective, stored, folder)
    except UserError as error:
        line = f"{folder} cannot go on: {error}; {ELSEWHERE}"
        raise type(error)(line) from error
    if begun.fingerprint != stored["fingerprint"]:  # which covers the whole table
        begun = begun.on(begun.benchmark)
        begun.begun_as = stored["fingerprint"]
    return begun


def asks_the_same(stored: Mapping[str, Any], objective: Objective) -> bool:
    """Whether a folder's description asks what an objective does, whatever the numbers are."""
    now = objective.describe()
    asked = stored["objective"]
    is_same = all(asked.get(key) == now[key] for key in ("benchmark", "expression", "seed"))
    return is_same and ObjectiveOptions.read(asked) == ObjectiveOptions.read(now)


def as_begun(objective: Objective, stored: Mapping[str, Any], folder: Path) -> Objective:
    """The objective on that part of its table that a folder's results are of.

    Args:
        objective: The folder's, on what is here now.
        stored: The description in the folder.
        folder: The folder.

    Raises:
        UserError: What is here holds other numbers; the line says which.
    """
    if changed := _changed_files(objective.benchmark, stored.get("read") or {}):
        raise UserError(f"{objective.benchmark.name} reads {_listed(changed)}, changed since")
    data = stored.get("data") or {}
    runs: Contents = data.get("runs", {})
    for part in _parts(objective, data):
        is_same = stored["fingerprint"] in (part.fingerprint, part.table_fingerprint)
        if not is_same and runs:  # a fingerprint of the whole table covers final metrics, too
            is_same = data["conventions"] == CONVENTIONS
        if is_same and not differing(runs, part.benchmark.contents):
            return part
    benchmark = objective.benchmark
    changed = differing(runs, benchmark.contents)
    if lacking := [name for name in changed if not _holds(benchmark.contents, name)]:
        line = f"{benchmark.name} lacks {_listed(lacking)}, which it was begun with. "
        line = (line + benchmark.more).strip(" .")
        lacks = AbsentError if benchmark.more else UserError
        raise lacks(line)
    raise UserError(_difference(objective, stored, folder, changed))


def _parts(objective: Objective, data: Mapping[str, Any]) -> Iterator[Objective]:
    """The objective on what a folder may have been begun with, of the table that is here."""
    benchmark = objective.benchmark
    if not data:
        yield objective
    recorded = _runs(data.get("runs", {})) + _runs(data.get("others", {}))
    if data and {*_runs(benchmark.contents)} <= {*recorded}:
        yield objective
        return
    for taken in [recorded] if data else _earlier(benchmark):
        with suppress(UserError):  # a part that does not hold what is read
            yield objective.on(benchmark.only(taken))


def _changed_files(benchmark: Benchmark, before: Mapping[str, str]) -> list[str]:
    """The names of the files that a user's functions read and that hold something else by now."""
    now = {} if benchmark.files is None else benchmark.files.now(before)
    return [name for name in sorted(before) if now.get(name, before[name]) != before[name]]


def _runs(contents: Contents) -> list[Run]:
    try:
        return runs_of(contents)
    except ValueError as error:
        raise UserError(f"A folder of results names runs that are none: {error}.") from error


def _earlier(benchmark: Benchmark) -> Iterator[list[Run]]:
    """For folders without a record of the table: the candidates for its earlier content, the runs
    of each single source of losses.
    """
    questions = [Question(*run) for run in _runs(benchmark.contents)]
    losses = [question for question in questions if benchmark.metric(question.metric).is_loss]
    for source in sorted({benchmark.source_of(question) for question in losses}):
        own = [question for question in questions if benchmark.source_of(question) == source]
        trained = {question.epochs for question in own if question in losses}
        yield [(name, epochs) for name, epochs in own if epochs is None or epochs in trained]


def _difference(
    objective: Objective, stored: Mapping[str, Any], folder: Path, changed: list[str]
) -> str:
    """What is not as it was, in words: a metric, and a value of it here and there."""
    benchmark = objective.benchmark
    if example := _example(objective, folder, stored):
        return f"{benchmark.name} has other numbers than it was begun with: {example}"
    constants = _constants(objective, stored)
    if changed or constants:
        what = f"{_listed(changed)}, of cells that no run has met" if changed else constants
        return f"{benchmark.name} has other numbers than it was begun with: {what}"
    return (
        f"{benchmark.name} has other numbers than it was begun with, or scores are taken otherwise"
        f" by now (fingerprint {stored['fingerprint']}, now {objective.fingerprint})"
    )


def _holds(contents: Contents, name: str) -> bool:
    metric, _, rest = name.partition("[")
    return (rest.removesuffix("]") or epochs_text(None)) in contents.get(metric, {})


def _listed(names: list[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _example(objective: Objective, folder: Path, stored: Mapping[str, Any]) -> str:
    """A number of a stored run that the benchmark has otherwise; empty where no run shows one."""
    store = Store(folder)
    for name in stored["strategies"]:
        for number in numbers_of(stored):
            run = store.load(name, number, objective.benchmark.space)
            wrong = (
                None if run is None else contradiction(run, objective, stored["seed"], whole=True)
            )
            if wrong is not None:
                trial, what, there, here = wrong
                return f"{what} of {trial.cell} was {there:.10g} and is {here:.10g}"
    return ""


def _constants(objective: Objective, stored: Mapping[str, Any]) -> str:
    """A constant of the objective that is not as it was; empty where none is."""
    for before, term in zip(stored["objective"].get("terms", ()), objective.terms, strict=False):
        for key, now in term.constants().items():
            if before.get(key, now) != now:
                return f"the {key} of {term.name} was {before[key]} and is {now}"
    return ""
