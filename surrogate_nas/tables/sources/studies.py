"""The finished trials of an Optuna study as a table: a file of its journal storage or of SQLite, or
a database's URL.

Akiba, Sano, Yanase, Ohta & Koyama, "Optuna: A Next-generation Hyperparameter Optimization
Framework", KDD 2019. Every categorical parameter, and every whole number from a range, is a
position of the space; a cell that several trials evaluated has the mean of their values. What is
maximised is a quality, of which larger is better. Where all trials reported the same steps and end
with the value of the last, the steps are epochs of one curve. Nothing is written into the storage,
and no table is made in a database that has none.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core.errors import UserError
from surrogate_nas.core.extras import need
from surrogate_nas.core.metrics import Metric, Quantity, metric_named
from surrogate_nas.core.numbers import plural
from surrogate_nas.files.paths import printable
from surrogate_nas.space import (
    Cell,
    ChoiceSpace,
    Enumerable,
    EnumerableChoiceSpace,
    Sampled,
    Space,
    choices_of,
    listed,
)
from surrogate_nas.space.network import Network
from surrogate_nas.tables import Table
from surrogate_nas.tables.sources.declaration import means_by_cell
from surrogate_nas.tables.sources.spreadsheet import (
    MOST_COLUMNS,
    NOTHING_DECLARED,
    Declared,
    check_name,
)

if TYPE_CHECKING:
    import optuna
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

_SQLITE = b"SQLite format 3\0"
_SHOWN = 5
_LEFT_OUT = {
    "FAIL": "failed",
    "PRUNED": "pruned",
    "RUNNING": "running",
    "WAITING": "waiting",
}
"""States of trials that have no value, and how they are called where they are counted."""


@dataclass(frozen=True)
class Imported:
    """A table that was read of a study.

    Attributes:
        table: The table.
        notes: What was left out or averaged, a line each.
        files: The file behind it; none of a database elsewhere.
    """

    table: Table
    notes: Sequence[str]
    files: Sequence[Path]


def read_study(
    place: str,
    name: str,
    taken: frozenset[str],
    *,
    study: str | None = None,
    metrics: Sequence[str] = (),
    space: Space | None = None,
    declared: Declared = NOTHING_DECLARED,
) -> Imported:
    """Read a study into a table.

    Args:
        place: A file of Optuna's `JournalStorage`, a SQLite file, or a URL such as
            ``sqlite:///study.db``.
        name: The benchmark's name; the study's if empty.
        taken: Names of other benchmarks.
        study: Which study, where the storage holds several.
        metrics: A name for each objective; the study's own names, or ``value``, if empty.
        space: The space of the cells; the study's parameters and their options if None.
        declared: Units of its objectives.

    Raises:
        UserError: There is no such study, it cannot be read, its parameters are no choices of
            the space, or the unit of an objective is not known.
    """
    need(f"Reading {printable(place)}", "optuna")
    source_study, files = _opened(place, study)
    finished, notes = _finished(source_study)
    source = f"study {printable(source_study.study_name)} of {_shown(place)}"
    if not finished:
        raise UserError(
            f"The {source} has no finished trial: {'; '.join(notes) or 'it is empty'}."
        )
    name = name or "".join(
        c if c.isalnum() and c.isascii() else "-" for c in source_study.study_name
    )
    check_name(name, taken)
    columns = _columns_of(finished)
    chosen = _space_of(name, columns) if space is None else space
    if not isinstance(chosen, ChoiceSpace):
        raise UserError(
            f"A study needs a space of choices (ChoiceSpace); {chosen.name} is none."
        )
    cells = [_cell(trial, chosen, columns) for trial in finished]
    repeated = len(cells) - len(set(cells))
    if repeated:
        notes.append(
            f"{plural(repeated, 'trial')} evaluated a cell again: a cell has the mean of its trials"
        )
    table_space = _listed(chosen, cells, own=space is None)
    table = Table(
        name=name,
        space=table_space.definition,
        title=f"{plural(len(set(cells)), 'cell')} of {source}",
        source=source,
        licence="the user's own",
        citation="",
        objective="",
        network=Network(),
        cost="queries",
        banner=table_space.notice if isinstance(table_space, Sampled) else "",
    )
    places = np.array([table_space.cell(cell).index for cell in cells])
    named = _named(source_study, metrics, source, declared)
    curve = _steps(finished)
    if curve is None and any(trial.intermediate_values for trial in finished):
        notes.append(
            "intermediate values are left out: not all trials end with the last of the same steps"
        )
    results: list[tuple[Metric, int | None, list[float]]] = []
    if curve is None:
        for number, metric in enumerate(named):
            results.append((metric, None, [trial.values[number] for trial in finished]))
    else:
        for step, n_epochs in curve.items():
            values = [trial.intermediate_values[step] for trial in finished]
            results.append((named[0], n_epochs, values))
    _check_values(results, source, declared)
    for metric, epochs, values in results:
        means, counts = means_by_cell(np.array(values), places, len(table_space))
        table.add(metric, epochs, means, counts)
    losses = [metric.name for metric in named if metric.is_loss and metric.kind == "search"]
    table.objective = losses[0] if losses else ""
    table.epochs = "runs" if curve is None else "curve"
    return Imported(table, notes, files)


def _check_values(
    results: Sequence[tuple[Metric, int | None, list[float]]],
    source: str,
    declared: Declared,
) -> None:
    """Refuse values outside their metric's range, or in a unit that nothing shows."""
    by_metric: dict[str, list[NDArray[np.float64]]] = {}
    for metric, _, values in results:
        by_metric.setdefault(metric.name, []).append(np.array(values))
        for value in (min(values), max(values)):
            if outside := metric.outside(value):
                raise UserError(f"{metric.name} of the {source} is {value:g}, {outside}.")
    declared.check_shown(by_metric)


@contextmanager
def _quiet() -> Iterator[None]:
    """Let Optuna and SQLAlchemy log nothing."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


def _opened(place: str, study: str | None) -> tuple[optuna.Study, list[Path]]:
    """The study of a storage, and the file that holds it."""
    import optuna

    with _quiet():
        try:
            storage, files = _storage(place)
            names = sorted(optuna.get_all_study_names(storage))
        except UserError:
            raise
        except Exception as error:
            raise UserError(
                f"{_shown(place)} holds no studies of Optuna ({type(error).__name__})."
            ) from error
        shown = ", ".join(printable(name) for name in names[:_SHOWN]) + (
            ", …" if len(names) > _SHOWN else ""
        )
        if study is None and len(names) > 1:
            raise UserError(
                f"{_shown(place)} holds {len(names)} studies; choose one with --study: {shown}."
            )
        if not names or (study is not None and study not in names):
            wanted = "no study" if study is None else f"no study {printable(study)}"
            raise UserError(
                f"{_shown(place)} holds {wanted}{f': there are {shown}' if names else ''}."
            )
        return (
            optuna.load_study(
                study_name=names[0] if study is None else study, storage=storage
            ),
            files,
        )


def _storage(place: str) -> tuple[Any, list[Path]]:
    """A storage that is only read, and its file."""
    from optuna.storages import JournalStorage, RDBStorage
    from optuna.storages.journal import JournalFileBackend

    scheme, is_url, rest = place.partition("://")
    if is_url and not scheme.startswith("sqlite"):
        return RDBStorage(place, skip_table_creation=True), []
    path = Path(rest.removeprefix("/").partition("?")[0]) if is_url else Path(place)
    if not path.is_file():
        raise UserError(f"There is no file {printable(path)}.")
    with path.open("rb") as file:
        is_sqlite = file.read(len(_SQLITE)) == _SQLITE
    if is_sqlite:  # by the URL alone a file is opened for writing
        url = f"sqlite:///file:{quote(str(path.absolute()))}?mode=ro&uri=true"
        return RDBStorage(url, skip_table_creation=True), [path]
    if is_url:
        raise UserError(f"{printable(path)} is no SQLite file.")
    return JournalStorage(JournalFileBackend(str(path))), [path]


def _shown(place: str) -> str:
    """A place without the password that a URL may hold."""
    head, at, rest = place.rpartition("@")
    scheme, is_url, user = head.partition("://")
    return printable(
        f"{scheme}://{user.partition(':')[0]}@{rest}" if at and is_url else place
    )


def _finished(study: optuna.Study) -> tuple[list[FrozenTrial], list[str]]:
    """The trials with finite values, and what was left out."""
    trials = study.get_trials(deepcopy=False)
    finished = [
        t
        for t in trials
        if t.state.name == "COMPLETE" and all(map(math.isfinite, t.values))
    ]
    counts = {
        words: sum(trial.state.name == state for trial in trials)
        for state, words in _LEFT_OUT.items()
    }
    counts["without a finite value"] = len(trials) - len(finished) - sum(counts.values())
    left = [f"{n} {words}" for words, n in counts.items() if n]
    return finished, (
        [f"left out of {plural(len(trials), 'trial')}: {', '.join(left)}"] if left else []
    )


def _columns_of(trials: Sequence[FrozenTrial]) -> Mapping[str, Sequence[Any]]:
    """The values that each parameter can have, by its name."""
    first = trials[0]
    for trial in trials:
        if trial.distributions != first.distributions:
            differ = {*trial.distributions.items()} ^ {*first.distributions.items()}
            names = ", ".join(sorted({printable(name) for name, _ in differ}))
            raise UserError(
                f"Trials {first.number} and {trial.number} have other parameters or ranges"
                f" ({names}); a table needs the same of every finished trial."
            )
    if not first.distributions:
        raise UserError(f"Trial {first.number} has no parameter, so there are no cells.")
    return {name: _values(name, each) for name, each in first.distributions.items()}


def _values(name: str, distribution: BaseDistribution) -> Sequence[Any]:
    from optuna.distributions import CategoricalDistribution, IntDistribution

    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices
    if isinstance(distribution, IntDistribution):
        return range(distribution.low, distribution.high + 1, distribution.step)
    raise UserError(
        f"The parameter {printable(name)} was drawn from a range of real numbers (suggest_float);"
        " the cells of a table are choices: suggest_categorical over the values that are to be"
        " compared, or suggest_int."
    )


def _space_of(name: str, columns: Mapping[str, Sequence[Any]]) -> ChoiceSpace:
    for parameter, values in columns.items():
        if len(values) > 127:
            raise UserError(
                f"The parameter {printable(parameter)} has {len(values):,} values; 127 are the"
                " most."
            )
    return ChoiceSpace(
        name, {parameter: list(map(str, values)) for parameter, values in columns.items()}
    )


def _cell(
    trial: FrozenTrial,
    space: ChoiceSpace,
    columns: Mapping[str, Sequence[Any]],
) -> Cell:
    if set(columns) != set(space.positions):
        raise UserError(
            f"The study has the parameters {printable(', '.join(columns))}; the space {space.name}"
            f" has the positions {', '.join(space.positions)}."
        )
    choices = []
    for position, options in zip(space.positions, space.options, strict=True):
        value = str(trial.params[position])
        if value not in options:
            raise UserError(
                f"{position} is {printable(value)} in trial {trial.number}; the space {space.name}"
                f" has the options {', '.join(options)}."
            )
        choices.append(options.index(value))
    return space.at(choices)


def _listed(space: ChoiceSpace, cells: Sequence[Cell], *, own: bool) -> Enumerable:
    """The space of the table: that of the cells alone, unless they are all, or the space was named
    and is listed.
    """
    if isinstance(space, Enumerable) and not own:
        return listed(space)
    different = list(dict.fromkeys(cells))
    if own and len(different) == space.size:
        named = zip(space.positions, space.options, strict=True)
        return EnumerableChoiceSpace(space.name, dict(named))
    return Sampled(space, choices_of(different))


def _named(
    study: optuna.Study, names: Sequence[str], source: str, declared: Declared
) -> list[Metric]:
    """What the objectives of a study are: a loss or a cost is minimised, a quality or a proxy
    maximised.
    """
    n = len(study.directions)
    if names and len(names) != n:
        raise UserError(
            f"The study has {plural(n, 'objective')}, and --metric names {len(names)}."
        )
    given = list(
        names
        or study.metric_names
        or (["value"] if n == 1 else [f"value_{i}" for i in range(n)])
    )
    declared.check(given)
    metrics = []
    for number, (name, direction) in enumerate(zip(given, study.directions, strict=True)):
        check_name(name, frozenset(), what="A metric")
        metric = metric_named(
            name,
            unit=declared.units.get(name, ""),
            description=f"objective {number} of the study",
            source=source,
        )
        is_plain = metric.quantity == "undeclared" or (
            metric.quantity == "cost" and not metric.unit
        )
        larger = direction.name == "MAXIMIZE"
        if is_plain:
            minimised: Quantity = "loss" if number == 0 else "cost"
            metric = replace(metric, quantity="quality" if larger else minimised)
        if metric.larger_is_better is not larger:
            right = "valid_accuracy" if larger else "valid_error or valid_loss"
            raise UserError(
                f"The study {'maximises' if larger else 'minimises'} its objective {number}, and of"
                f" {name} {'smaller' if larger else 'larger'} is better; name it with --metric,"
                f" such as {right}."
            )
        metrics.append(metric)
    if len({metric.name for metric in metrics}) < n:
        raise UserError(
            f"Two objectives have the same name: {', '.join(given)}; --metric names them."
        )
    return metrics


def _steps(trials: Sequence[FrozenTrial]) -> dict[int, int] | None:
    """The epochs by step, where the steps that all trials reported are a curve that ends with their
    value.
    """
    steps = sorted(trials[0].intermediate_values)
    if not steps or steps[0] < 0 or len(steps) > MOST_COLUMNS or len(trials[0].values) > 1:
        return None
    for trial in trials:
        reported = trial.intermediate_values
        if sorted(reported) != steps or reported[steps[-1]] != trial.values[0]:
            return None
        if not all(map(math.isfinite, reported.values())):
            return None
    first = (
        1 if steps[0] == 0 else 0
    )  # steps that are counted from 0 are so many epochs and one
    return {step: step + first for step in steps}
