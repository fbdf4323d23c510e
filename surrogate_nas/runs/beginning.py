"""A user's beginning of a search: cells that are asked for before all others, and what was trained
before the search began.

What was trained before is told to the strategy first. It costs nothing, fills no budget and is no
trial of the run: the answer of a search comes from its own trials, whose values all come from one
benchmark under one protocol. The best of what was known is a baseline beside it.
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
        known: What was trained before, as trials that cost nothing and have an index below 0.
    """

    first: Sequence[Cell] = ()
    known: Sequence[Trial] = ()

    def asked(self, drawn: Iterable[Cell], most: int | None = None) -> list[Cell]:
        """The cells that a run begins with: the user's, then random ones, at most so many."""
        return list(dict.fromkeys([*self.first, *drawn]))[:most]

    def stored(self) -> dict[str, Any] | None:
        """What a folder says of it; None where there is nothing."""
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
        """Read what `stored` gave.

        Raises:
            UserError: Something is no cell of the space, or has not the values that the objective
                reads.
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
        """Refuse a beginning that a strategy or a budget has no use for.

        Raises:
            UserError: The budget does not pay for all first cells, or something was trained for
                other epochs than the strategy reads.
        """
        if budget.cells is not None and len(self.first) > budget.cells:
            raise UserError(
                f"{plural(len(self.first), 'cell')} shall be asked for first, and the budget pays"
                f" for {budget.cells}."
            )
        for trial in () if chooses_epochs else self.known:
            if trial.epochs != epochs:
                raise UserError(
                    f"{trial.cell} is known after {trial.epochs} epochs, and {label} reads cells"
                    f" after {epochs} only; leave such lines out, or take a strategy over epochs."
                )


def unasked(cells: int | None, initial: int) -> str:
    """Say that a budget in cells pays for initial cells only; empty where it pays for more."""
    if cells is None or cells > initial:
        return ""
    return (
        f"The budget of {plural(cells, 'cell')} pays for initial cells only ({initial}), so no"
        f" strategy is asked: give a budget above {initial} (budget=, --budget) or fewer random"
        " cells (n_random=, --n-random)."
    )


NOTHING = Beginning()
"""A run that begins as all others do."""


def read_beginning(
    objective: Objective,
    first: FirstLike = (),
    known: Any = None,
) -> Beginning:
    """Read what a user begins with.

    Args:
        objective: What is minimised.
        first: Cells, or files with a cell a line; empty lines and those that begin with ``#`` are
            left out.
        known: A CSV file, a data frame or a list of trials. A file or a frame has a column
            ``cell``, or one for each choice, one for each metric that the objective reads, by its
            name, and ``epochs`` where not all are of the objective's own. What is known for
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
        _first(space, first), () if known is None else _known(objective, known)
    )


def _first(space: Space, given: FirstLike) -> tuple[Cell, ...]:
    if isinstance(given, Integral):
        raise UserError(
            f"first is a list of cells: write first=[{given}] for the cell of that index, or"
            f" n_random={given} for as many random cells."
        )
    if isinstance(given, Cell | str | Path):
        given = [given]
    elif hasattr(given, "tolist"):  # of NumPy or pandas
        given = given.tolist()
    if not isinstance(given, Sequence):
        raise UserError(f"first is a list of cells or files, not {shown(given)}.")
    cells: list[Cell] = []
    for part in given:
        if isinstance(part, Path) or (isinstance(part, str) and _is_file(part)):
            cells += _cells_in(space, Path(part))
        else:
            cells.append(_cell(space, part))
    for cell, times in Counter(cells).items():
        if times > 1:
            raise UserError(f"{cell} shall be asked for first twice; name it once.")
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


def _known(objective: Objective, known: Any) -> tuple[Trial, ...]:
    if objective.has_history:
        raise UserError(
            "Diversity is of a run's own history, so that what is known before it has no score;"
            " leave --known or the term out."
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
                    f"{row[0]} stands in line {lines[asked][0]} too; each training once."
                )
            lines[asked] = reader.line_num, values
    except (csv.Error, UserError) as error:
        raise UserError(
            f"{printable(path)}, line {reader.line_num}: {error}"
        ) from error
    if not lines:
        raise UserError(
            f"{printable(path)} needs a header and a line for each training."
        )
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
            f"known is a CSV file, a data frame or a list of trials, not {known!r:.80}."
        )
    return Path("known"), known.to_csv(index=False)


def _asked(cell: Cell, epochs: int | None) -> Asked:
    return cell if epochs is None else Request(cell, epochs)


def _trial(ledger: Ledger, asked: Asked, values: Mapping[str, float]) -> Trial:
    """What a strategy is told of a training whose values are known."""
    return ledger.trial(ledger.given(asked, values, 0.0), 0.0)


def _numbered(trials: Sequence[Trial]) -> tuple[Trial, ...]:
    return tuple(replace(trial, index=trial.index - len(trials)) for trial in trials)


def _training(
    objective: Objective, header: Sequence[str], row: Sequence[str]
) -> tuple[Asked, dict[str, float]]:
    """The training of a line, and what it says of the metrics that the objective reads."""
    if len(row) != len(header):
        raise UserError(
            f"{len(row)} entries, and the header has {len(header)}; a cell with commas"
            " stands in quotation marks."
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
            "the header has no column 'cell'; it names cell, the metrics, and epochs if need be."
        )
    for name in header:
        if header.count(name) > 1:
            raise UserError(f"the header has two columns {printable(name)!r:.80}.")
        if name not in (_CELL, _EPOCHS, *positions):
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
