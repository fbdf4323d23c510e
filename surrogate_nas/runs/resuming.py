"""Check that an objective is that of a folder's results, although its table may have grown.

The fingerprint of an objective covers the columns that it reads. What a run is charged and the
epochs that a strategy may ask for depend on further columns, so a folder goes on with that part of
a grown table that it was begun with. Numbers are the same where their bits are. What results cannot
depend on (final metrics, and costs that the objective does not read) may differ.
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
from surrogate_nas.runs.options import ObjectiveOptions
from surrogate_nas.runs.store import ELSEWHERE, Store
from surrogate_nas.tables import Run, runs_of

_MOST_NAMED = 4


def resumed(objective: Objective, folder: Path | None) -> Objective:
    """The objective as a folder was begun with it, if it was.

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
        begun = as_begun(objective, stored)
    except UserError as error:
        raise type(error)(f"{folder} cannot go on: {error}; {ELSEWHERE}") from error
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


def as_begun(objective: Objective, stored: Mapping[str, Any]) -> Objective:
    """The objective on that part of its table that a folder's results are of, by its description.

    Raises:
        UserError: What is here holds other numbers; the line says which.
    """
    benchmark = objective.benchmark
    before = stored.get("read") or {}
    now = {} if benchmark.files is None else benchmark.files.now(before)
    changed = [name for name in sorted(before) if now.get(name) not in (None, before[name])]
    if changed:
        raise UserError(f"{benchmark.name} reads {_listed(changed)}, changed since")
    data = stored.get("data") or {}
    runs = data.get("runs", {})
    for part in _parts(objective, data):
        is_same = stored["fingerprint"] in (part.fingerprint, part.table_fingerprint)
        # a fingerprint of the whole table covers final metrics, too
        is_alike = runs and data["conventions"] == CONVENTIONS
        if (is_same or is_alike) and not differing(runs, part.benchmark.contents):
            return part
    here = {str(Question(*run)) for run in runs_of(benchmark.contents)}
    changed = differing(runs, benchmark.contents)
    if lacking := [name for name in changed if name not in here]:
        line = f"{benchmark.name} lacks {_listed(lacking)}, which it was begun with. "
        lacks = AbsentError if benchmark.more else UserError
        raise lacks((line + benchmark.more).strip(" ."))
    which = f": {_listed(changed)}" if changed else ", or scores are taken otherwise by now"
    raise UserError(f"{benchmark.name} has other numbers than it was begun with{which}")


def _parts(objective: Objective, data: Mapping[str, Any]) -> Iterator[Objective]:
    """The objective on what a folder may have been begun with, of the table that is here."""
    benchmark = objective.benchmark
    try:
        recorded = runs_of(data.get("runs", {})) + runs_of(data.get("others", {}))
    except ValueError as error:
        raise UserError(
            f"A folder of results names runs that are none: {error}."
        ) from error
    if not data or {*runs_of(benchmark.contents)} <= {*recorded}:
        yield objective
    for taken in [recorded] if data else _earlier(benchmark):
        with suppress(UserError):  # a part that does not hold what is read
            yield objective.on(benchmark.only(taken))


def _earlier(benchmark: Benchmark) -> Iterator[list[Run]]:
    """For folders of 0.1.0, without a record of the table: the candidates for its earlier content,
    the runs of each single source of losses.
    """
    questions = [Question(*run) for run in runs_of(benchmark.contents)]
    losses = [
        question for question in questions if benchmark.metric(question.metric).is_loss
    ]
    for source in sorted(set(map(benchmark.source_of, losses))):
        own = [
            question for question in questions if benchmark.source_of(question) == source
        ]
        trained = {question.epochs for question in own if question in losses} | {None}
        yield [(name, epochs) for name, epochs in own if epochs in trained]


def _listed(names: list[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
