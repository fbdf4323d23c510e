"""A user's beginning of a search: cells that are asked for before all others, and what was trained
before the search began.

What was trained before is told to the strategy first. It costs nothing, fills no budget and is no
trial of the run: the answer of a search comes from its own trials, whose values all come from one
benchmark under one protocol. The best of what was known is a baseline beside it.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from surrogate_nas.benchmarks import Benchmark, Question
from surrogate_nas.benchmarks.base import CellLike
from surrogate_nas.core.arguments import check_whole
from surrogate_nas.core.errors import UserError
from surrogate_nas.core.numbers import plural
from surrogate_nas.files.paths import printable
from surrogate_nas.files.regular import read_regular
from surrogate_nas.objective import Objective
from surrogate_nas.runs.options import FIRST_CELLS, Budget
from surrogate_nas.space import Cell, Space
from surrogate_nas.space.base import cell_written
from surrogate_nas.space.trial import Trial

FirstLike = CellLike | Path | Sequence[CellLike | Path]
"""A cell, a file with a cell a line, or several of these."""

BEGINNING = "beginning"
"""What a folder calls it."""
_CELL = "cell"
_EPOCHS = "epochs"


@dataclass(frozen=True)
class Beginning:
    """What a user begins a search with.

    Attributes:
        first: The cells that are asked for first, before random ones, all different.
        known: What was trained before, as a strategy is told it: each costs nothing and has an
            index below 0.
    """

    first: Sequence[Cell] = ()
    known: Sequence[Trial] = ()

    def asked(self, drawn: Iterable[Cell], most: int) -> list[Cell]:
        """The cells that a run begins with: the user's, then random ones.

        Args:
            drawn: The random ones.
            most: How many cells the budget pays for.
        """
        return list(dict.fromkeys([*self.first, *drawn]))[:most]

    def stored(self) -> dict[str, Any] | None:
        """What a folder says of it; None where there is nothing."""
        if not self.first and not self.known:
            return None
        known = [
            {_CELL: trial.cell.text, _EPOCHS: trial.epochs, "values": dict(trial.values)}
            for trial in self.known
        ]
        return {"first": [cell.text for cell in self.first], "known": known}

    @classmethod
    def read(cls, objective: Objective, stored: Mapping[str, Any] | None) -> Beginning:
        """Read what a folder says of a beginning.

        Args:
            objective: The folder's.
            stored: As `stored` gives it.

        Raises:
            UserError: Something is no cell of the space, or has not the values that the objective
                reads.
        """
        if stored is None:
            return cls()
        space = objective.benchmark.space
        trainings = [
            (space.parse(one[_CELL]), one[_EPOCHS], one["values"])
            for one in stored["known"]
        ]
        for cell, epochs, values in trainings:
            if list(values) != [str(question) for question in objective.questions(epochs)]:
                raise UserError(
                    f"{cell} is known by other values than the objective reads."
                )
        known = [
            _trial(objective, number - len(trainings), *training)
            for number, training in enumerate(trainings)
        ]
        return cls(tuple(map(space.parse, stored["first"])), tuple(known))

    def check(
        self, budget: Budget, label: str, *, chooses_epochs: bool, epochs: int | None
    ) -> None:
        """Refuse a beginning that a strategy or a budget has no use for.

        Args:
            budget: Of the run.
            label: Of the strategy.
            chooses_epochs: Whether it looks at cells early.
            epochs: The objective's own.

        Raises:
            UserError: The budget does not pay for all first cells, or something was trained for
                other epochs than the strategy reads.
        """
        if budget.cells is not None and len(self.first) > budget.cells:
            raise UserError(
                f"{plural(len(self.first), 'cell')} shall be asked for first, and the budget pays"
                f" for {budget.cells}."
            )
        early = [trial for trial in self.known if trial.epochs != epochs]
        if early and not chooses_epochs:
            raise UserError(
                f"{early[0].cell} is known after {early[0].epochs} epochs, and {label} reads cells"
                f" after {epochs} only; leave such lines out, or take a strategy over epochs."
            )


NOTHING = Beginning()
"""A run that begins as all others do."""


def usual_first_cells(benchmark: Benchmark) -> int:
    """How many random cells a single search begins with where nobody says it: none on a user's own
    training, where every one is dear and nothing is compared.
    """
    return FIRST_CELLS if benchmark.begins_at_random else 0


def read_beginning(
    objective: Objective,
    first: FirstLike = (),
    known: str | Path | None = None,
) -> Beginning:
    """Read what a user begins with.

    Args:
        objective: What is minimised.
        first: Cells, or files with a cell a line; empty lines and those that begin with ``#`` are
            left out.
        known: A CSV file with a column ``cell``, one for each metric that the objective reads, by
            its name, and ``epochs`` where not all are of the objective's own. What is known for
            free may be left out; other metrics of the benchmark are not read.

    Raises:
        UserError: Something is no cell of the space, is named twice, or a file cannot be read; or
            of a metric: it is unknown, missing or no finite number.

    Example:
        >>> import surrogate_nas as sn
        >>> beginning = read_beginning(
        ...     sn.Objective("valid_loss", sn.load("fashion")), [11, 12]
        ... )
        >>> [cell.index for cell in beginning.first], beginning.known
        ([11, 12], ())
    """
    space = objective.benchmark.space
    return Beginning(
        _first(space, first), () if known is None else _known(objective, Path(known))
    )


def _first(space: Space, given: FirstLike) -> tuple[Cell, ...]:
    if isinstance(given, Cell | str | int | Path):
        given = [given]
    elif not isinstance(given, Sequence):
        raise UserError(f"first is a cell, a file, or a list of these, not {given!r:.80}.")
    cells: list[Cell] = []
    for part in given:
        if isinstance(part, Path) or (isinstance(part, str) and _is_file(part)):
            cells += _cells_in(space, Path(part))
        else:
            cells.append(_cell(space, part))
    for place, cell in enumerate(cells):
        if cell in cells[:place]:
            raise UserError(f"{cell} shall be asked for first twice; name it once.")
    return tuple(cells)


def _is_file(text: str) -> bool:
    with suppress(OSError, ValueError):
        return Path(text).is_file()
    return False


def _cell(space: Space, given: CellLike) -> Cell:
    if isinstance(given, Cell):
        return space.cell(given)
    try:
        return cell_written(space, str(given))
    except UserError as error:
        if isinstance(given, str) and Path(given).suffix in (".txt", ".csv"):
            raise UserError(f"There is no file {printable(given):.200}.") from error
        raise


def _cells_in(space: Space, path: Path) -> list[Cell]:
    cells = []
    for number, line in enumerate(_text(path).splitlines(), 1):
        written = line.strip()
        if written and not written.startswith("#"):
            with _at(path, number):
                cells.append(cell_written(space, written))
    if not cells:
        raise UserError(f"{printable(path)} holds no cell; it needs one a line.")
    return cells


def _text(path: Path) -> str:
    try:
        return read_regular(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            f"Cannot read {printable(path)}: it is no text in UTF-8."
        ) from error
    except (OSError, ValueError) as error:  # a name with a null byte is a ValueError
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"Cannot read {printable(path)}: {reason}.") from error


@contextmanager
def _at(path: Path, number: int) -> Iterator[None]:
    try:
        yield
    except UserError as error:
        raise UserError(f"{printable(path)}, line {number}: {error}") from error


def _known(objective: Objective, path: Path) -> tuple[Trial, ...]:
    if objective.has_history:
        raise UserError(
            "Diversity is of a run's own history, so that what is known before it has no score;"
            " leave --known or the term out."
        )
    reader = csv.reader(_text(path).splitlines(), strict=True)
    header: list[str] = []
    read: dict[tuple[Cell, int | None], tuple[int, dict[Question, float]]] = {}
    try:
        for row in ([part.strip() for part in line] for line in reader):
            if any(row) and header:
                with _at(path, reader.line_num):
                    training, values = _training(objective, header, row)
                    if training in read:
                        before = read[training][0]
                        raise UserError(
                            f"{training[0]} stands in line {before} too; each training once."
                        )
                    read[training] = reader.line_num, values
            elif any(row):
                header = row
                _check_header(objective, header, path)
    except csv.Error as error:
        raise UserError(f"{printable(path)}, line {reader.line_num}: {error}.") from error
    if not read:
        raise UserError(f"{printable(path)} needs a header and a line for each training.")
    given = [
        (value, question)
        for _, values in read.values()
        for question, value in values.items()
    ]
    # the unit of a metric shows at its largest value
    for value, question in sorted(given, reverse=True, key=lambda pair: pair[0]):
        try:
            objective.benchmark.check_value(question, value)
        except UserError as error:
            raise UserError(f"{printable(path)}: {error}") from error
    return tuple(
        _trial(
            objective, place - len(read), *training, {str(q): v for q, v in values.items()}
        )
        for place, (training, (_, values)) in enumerate(read.items())
    )


def _training(
    objective: Objective, header: Sequence[str], row: Sequence[str]
) -> tuple[tuple[Cell, int | None], dict[Question, float]]:
    if len(row) != len(header):
        raise UserError(
            f"{len(row)} entries, and the header has {len(header)}; a cell with commas"
            " stands in quotation marks."
        )
    entry = dict(zip(header, row, strict=True))
    cell = cell_written(objective.benchmark.space, entry[_CELL])
    epochs = _epochs(objective, entry.get(_EPOCHS, ""))
    questions = objective.questions(epochs)
    return (cell, epochs), {one: _value(objective, one, cell, entry) for one in questions}


def _check_header(objective: Objective, header: Sequence[str], path: Path) -> None:
    if _CELL not in header:
        raise UserError(
            f"{printable(path)} has no column 'cell'; its header names cell, the metrics, and"
            " epochs if need be."
        )
    for name in header:
        if header.count(name) > 1:
            raise UserError(f"{printable(path)} has two columns {printable(name)!r:.80}.")
        if name not in (_CELL, _EPOCHS):
            with _at(path, 1):
                objective.benchmark.metric(name.partition("[")[0])


def _epochs(objective: Objective, written: str) -> int | None:
    if not written:
        return objective.epochs
    if objective.epochs is None:
        raise UserError(
            f"epochs is {written:.40}, and nothing of this objective has epochs."
        )
    given = int(written) if written.isascii() and written.isdigit() else written
    epochs = check_whole("epochs", given, 1)
    if epochs not in objective.fidelities:
        lengths = ", ".join(map(str, objective.fidelities))
        raise UserError(
            f"the objective cannot be read after {epochs} epochs; after {lengths}."
        )
    return epochs


def _value(
    objective: Objective, question: Question, cell: Cell, entry: Mapping[str, str]
) -> float:
    """A metric of a training, as a line says it, or else as it is known for free."""
    written = entry.get(str(question)) or entry.get(question.metric, "")
    value = None if written else objective.untrained(question, cell)
    if written:
        with suppress(ValueError):
            value = float(written)
        if value is None or not math.isfinite(value):
            raise UserError(f"{question} is {written:.40}, not a finite number.")
    if value is None:
        raise UserError(f"{question} of {cell} is missing.")
    return value


def _trial(
    objective: Objective,
    index: int,
    cell: Cell,
    epochs: int | None,
    values: Mapping[str, float],
) -> Trial:
    scores = objective.combine(np.array([list(values.values())]))
    return Trial(
        index=index,
        cell=cell,
        score=float(scores.score[0]),
        loss=float(scores.loss[0]),
        penalty=float(scores.penalty[0]),
        feasible=bool(scores.feasible[0]),
        epochs=epochs,
        cost_seconds=0.0,
        values=values,
        scores=tuple(scores.vector[0].tolist()) if objective.parts > 1 else (),
    )
