"""The initial data of a search: cells that are evaluated before all other cells, and earlier
trainings.

The strategy observes earlier trainings before it proposes cells. Earlier trainings are not charged
to the budget and are not trials of the run. The result of a search is therefore always one of its
own trials, whose values all come from one benchmark under one protocol. The best earlier training
serves as a baseline.
"""

import csv
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from numbers import Integral
from pathlib import Path
from typing import Any

from surrogate_nas.benchmarks.base import CellLike
from surrogate_nas.core import UserError, check_whole, plural, shown
from surrogate_nas.files.whole import printable, read_regular
from surrogate_nas.objective import Objective
from surrogate_nas.runs.ledger import Asked, Ledger
from surrogate_nas.runs.options import Budget
from surrogate_nas.space import Cell, ChoiceSpace, Request, Space, Trial, cell_given

FirstLike = Cell | str | Path | Sequence[CellLike | Path]
"""A cell, a file with one cell per line, or several of these."""

BEGINNING = "beginning"
"""The key of the initial data in a stored description."""
_CELL = "cell"
_EPOCHS = "epochs"


@dataclass(frozen=True)
class Beginning:
    """The initial data of a search.

    Attributes:
        first: The cells that are evaluated before the initial random cells, without duplicates.
        known: Earlier trainings, as trials with cost 0 and a negative index.
    """

    first: Sequence[Cell] = ()
    known: Sequence[Trial] = ()

    def asked(self, drawn: Iterable[Cell], most: int | None = None) -> list[Cell]:
        """Return the initial cells of a run: the user's cells, followed by random cells, at most
        `most` in total.
        """
        return list(dict.fromkeys([*self.first, *drawn]))[:most]

    def stored(self) -> dict[str, Any] | None:
        """Return the initial data in the format of ``experiment.json``, or None if there is
        none.
        """
        if not self.first and not self.known:
            return None
        known = [
            {
                _CELL: trial.cell.text,
                _EPOCHS: trial.epochs,
                "values": dict(trial.values),
            }
            for trial in self.known
        ]
        return {"first": [cell.text for cell in self.first], "known": known}

    @classmethod
    def read(
        cls, objective: Objective, stored: Mapping[str, Any] | None
    ) -> "Beginning":
        """Read initial data from the output of `stored`.

        Raises:
            UserError: A cell is not in the space, or a training lacks a value that the objective
                requires.
        """
        if stored is None:
            return cls()
        parse = objective.benchmark.space.parse
        ledger = Ledger(objective)
        known = [
            _trial(
                ledger,
                _asked(parse(training[_CELL]), training[_EPOCHS]),
                training["values"],
            )
            for training in stored["known"]
        ]
        return cls(tuple(map(parse, stored["first"])), _numbered(known))

    def check(
        self, budget: Budget, label: str, *, chooses_epochs: bool, epochs: int | None
    ) -> None:
        """Check that a strategy and a budget can use the initial data.

        Raises:
            UserError: The budget is too small for the cells in `first`, or an earlier training has
                a number of epochs that the strategy does not use.
        """
        if budget.cells is not None and len(self.first) > budget.cells:
            raise UserError(
                f"{plural(len(self.first), 'cell')} given with first= (--first), but the budget is"
                f" {budget.cells}."
            )
        for trial in () if chooses_epochs else self.known:
            if trial.epochs != epochs:
                raise UserError(
                    f"{trial.cell} was trained for {trial.epochs} epochs, but {label} uses only"
                    f" {epochs} epochs. Remove such lines, or choose a strategy over epochs."
                )


def unasked(cells: int | None, initial: int) -> str:
    """Return a warning if a budget in cells pays only for initial cells. If the budget is larger,
    return an empty string.
    """
    if cells is None or cells > initial:
        return ""
    return (
        f"The budget of {plural(cells, 'cell')} pays only for initial cells ({initial}), so the"
        f" strategies propose none. Use a budget above {initial} (budget=, --budget) or fewer"
        " random cells (n_random=, --n-random)."
    )


NOTHING = Beginning()
"""Initial data without cells or trainings."""


def read_beginning(
    objective: Objective,
    first: FirstLike = (),
    known: Any = None,
) -> Beginning:
    """Read the initial data that a user provides.

    Args:
        objective: The objective to minimise.
        first: Cells that are evaluated before all other cells, or files with one cell per line.
            Empty lines and lines that begin with ``#`` are ignored.
        known: Earlier trainings, as a CSV file, a data frame or a list of trials. A file or a frame
            has a column ``cell`` (or one column per choice), one column for each metric of the
            objective, and ``epochs`` if a training differs from the objective's epochs. Free terms,
            which need no training, may be left out. Columns with other metrics of the benchmark are
            ignored.

    Raises:
        UserError: A cell is not in the space or is given twice, a file cannot be read, or a metric
            is unknown, missing or not finite.

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
        _first(space, first), () if known is None else _known(objective, known)
    )


def _first(space: Space, given: FirstLike) -> tuple[Cell, ...]:
    if isinstance(given, Integral):
        raise UserError(
            f"first must be a list of cells: write first=[{given}] for the cell with that index, or"
            f" n_random={given} for that number of random cells."
        )
    if isinstance(given, Cell | str | Path):
        given = [given]
    elif hasattr(given, "tolist"):  # of NumPy or pandas
        given = given.tolist()
    if not isinstance(given, Sequence):
        raise UserError(f"first must be a list of cells or files, not {shown(given)}.")
    cells: list[Cell] = []
    for part in given:
        if isinstance(part, Path) or (isinstance(part, str) and _is_file(part)):
            cells += _cells_in(space, Path(part))
        else:
            cells.append(_cell(space, part))
    for cell, times in Counter(cells).items():
        if times > 1:
            raise UserError(
                f"{cell} is given twice with first= (--first). Give it once."
            )
    return tuple(cells)


def _is_file(text: str) -> bool:
    with suppress(OSError, ValueError):
        return Path(text).is_file()
    return False


def _cell(space: Space, given: CellLike) -> Cell:
    try:
        return cell_given(space, given)
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
                cells.append(cell_given(space, written))
    if not cells:
        raise UserError(f"{printable(path)} contains no cell. Write one cell per line.")
    return cells


def _text(path: Path) -> str:
    try:
        return read_regular(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            f"Cannot read {printable(path)}: it is not UTF-8 text."
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


def _known(objective: Objective, known: Any) -> tuple[Trial, ...]:
    if objective.has_history:
        raise UserError(
            "Diversity depends on a run's own history, so earlier trainings have no score."
            " Leave out --known or the term."
        )
    path, text = _written(known)
    reader = csv.reader(text.splitlines(), strict=True)
    lines: dict[Asked, tuple[int, dict[str, float]]] = {}
    try:
        header = [name.strip() for name in next(reader, [])]
        _check_header(objective, header)
        for row in filter(any, reader):
            asked, values = _training(objective, header, row)
            if asked in lines:
                raise UserError(
                    f"{row[0]} also occurs in line {lines[asked][0]}. Give each training once."
                )
            lines[asked] = reader.line_num, values
    except (csv.Error, UserError) as error:
        raise UserError(
            f"{printable(path)}, line {reader.line_num}: {error}"
        ) from error
    if not lines:
        raise UserError(f"{printable(path)} needs a header and one line per training.")
    every = [pair for _, values in lines.values() for pair in values.items()]
    # the unit of a metric shows at its largest value
    for name, value in sorted(every, reverse=True, key=lambda pair: pair[1]):
        objective.benchmark.check_unit(name.partition("[")[0], value)
    ledger = Ledger(objective)
    trials = []
    for asked, (number, values) in lines.items():
        with _at(path, number):
            trials.append(_trial(ledger, asked, values))
    return _numbered(trials)


def _positions(space: Space, header: Sequence[str]) -> Sequence[str]:
    """The positions of a space, if a header has a column for each and none for cells."""
    named = space.positions if isinstance(space, ChoiceSpace) else ()
    return named if _CELL not in header and {*named} <= {*header} else ()


def _written(known: Any) -> tuple[Path, str]:
    """What was trained before as the text of a CSV file, and the name for messages."""
    if isinstance(known, str | Path):
        return Path(known), _text(Path(known))
    if isinstance(known, Sequence) and all(isinstance(t, Trial) for t in known):
        from pandas import DataFrame

        rows = (
            {_CELL: t.cell, _EPOCHS: t.epochs, **t.values}
            for t in known
            if not t.failure
        )
        known = DataFrame(rows, dtype=object)
    if not hasattr(known, "to_csv"):
        raise UserError(
            f"known must be a CSV file, a data frame or a list of trials, not {known!r:.80}."
        )
    return Path("known"), known.to_csv(index=False)


def _asked(cell: Cell, epochs: int | None) -> Asked:
    return cell if epochs is None else Request(cell, epochs)


def _trial(ledger: Ledger, asked: Asked, values: Mapping[str, float]) -> Trial:
    """Build the trial that a strategy observes for an earlier training."""
    return ledger.trial(ledger.given(asked, values, 0.0), 0.0)


def _numbered(trials: Sequence[Trial]) -> tuple[Trial, ...]:
    return tuple(replace(trial, index=trial.index - len(trials)) for trial in trials)


def _training(
    objective: Objective, header: Sequence[str], row: Sequence[str]
) -> tuple[Asked, dict[str, float]]:
    """Parse one line: the training, and its values of the objective's metrics."""
    if len(row) != len(header):
        raise UserError(
            f"{len(row)} entries, but the header has {len(header)}. Put a cell with"
            " commas in quotation marks."
        )
    entry = dict(zip(header, map(str.strip, row), strict=True))
    space: Any = objective.benchmark.space
    choices = {}
    for place in _positions(space, header):
        index = space.positions.index(place)
        own = dict(zip(space.texts[index], space.options[index], strict=True))
        choices[place] = own.get(entry[place], entry[place])
    cell = cell_given(space, choices or entry[_CELL])
    epochs = _epochs(objective, entry.get(_EPOCHS, ""))
    values = {}
    for question in objective.questions(epochs):
        written = entry.get(str(question)) or entry.get(question.metric)
        if written:
            value = math.nan
            with suppress(ValueError):
                value = float(written)
            if not math.isfinite(value):
                raise UserError(f"{question} is {written:.40}, not a finite number.")
            values[str(question)] = value
    return _asked(cell, epochs), values


def _check_header(objective: Objective, header: Sequence[str]) -> None:
    positions = _positions(objective.benchmark.space, header)
    if _CELL not in header and not positions:
        raise UserError(
            "the header has no column 'cell'. The columns are cell, the metrics, and optionally"
            " epochs."
        )
    for name in header:
        if header.count(name) > 1:
            raise UserError(f"the header has the column {printable(name)!r:.80} twice.")
        if name not in (_CELL, _EPOCHS, *positions):
            objective.benchmark.metric(name.partition("[")[0])


def _epochs(objective: Objective, written: str) -> int | None:
    if not written:
        return objective.epochs
    if objective.epochs is None:
        raise UserError(
            f"epochs is {written:.40}, but this objective does not depend on epochs."
        )
    given = int(written) if written.isascii() and written.isdigit() else written
    epochs = check_whole("epochs", given, 1)
    if epochs not in objective.fidelities:
        lengths = ", ".join(map(str, objective.fidelities))
        raise UserError(
            f"the objective has no values at {epochs} epochs, only at {lengths}."
        )
    return epochs
