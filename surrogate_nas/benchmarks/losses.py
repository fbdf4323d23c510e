"""Tables of losses: ``losses-TASK`` and ``losses-TASK/trained``, made by `surrogate_nas.benchmarks.making.losses`.

Of a task, about a thousand functional classes were trained with every loss that fits it, each a training of its own:
``valid_error@focal[3]`` is what the third epoch of training by the focal loss gave. Among the trained cells everything
is exact (``losses-TASK/trained``, a sampled space); over the whole space (``losses-TASK``) the cells of other classes
are predicted, and marked (`surrogate_nas.benchmarks.filled`); where every class was trained, nothing is. Longer runs
are tables of their own, such as ``losses-TASK-x4``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from surrogate_nas.benchmarks.base import Answer, Question, Values
from surrogate_nas.benchmarks.filled import FilledTable
from surrogate_nas.benchmarks.listed import entry_of
from surrogate_nas.benchmarks.openers import Opener
from surrogate_nas.benchmarks.table import TableBenchmark
from surrogate_nas.core.errors import AbsentError
from surrogate_nas.files import home, shipped, table_path
from surrogate_nas.space import Cell
from surrogate_nas.tables import HeldTable, Seed, read_compact

PREFIX, TRAINED = "losses-", "/trained"
_CHARGE = (
    "An evaluation is charged the processor seconds of one training for every loss whose metrics it reads, up to the "
    "last epoch that it reads, and one validation pass for each epoch that it reads; metrics that need no training are "
    "free. Training a cell on costs the difference, and another validation pass."
)


class LossesBenchmark(TableBenchmark):
    """The trained cells of a table of losses; every metric names the loss that was trained, as ``valid_error@focal``.

    Example:
        >>> import surrogate_nas as sn
        >>> bench = sn.load("losses-digits/trained")
        >>> bench.query(bench.space[0], "valid_error@focal", epochs=3).unit, len(bench.space)
        ('%', 50)
    """

    def __init__(self, path: Path) -> None:
        """Open a table.

        Args:
            path: The file.

        Raises:
            UserError: The file is missing, damaged or of another format.
        """
        super().__init__(path)
        self.name += TRAINED
        self.charge, self.one_curve = _CHARGE, True

    def __reduce__(self) -> tuple[Callable[[Path], LossesBenchmark], tuple[Path]]:
        return partial(open_losses, kind=type(self)), (self.path,)

    def _read_table(self, path: Path) -> HeldTable:
        return read_compact(path)

    def _spent(self, questions: Sequence[Question], seed: Seed) -> Values:  # noqa: ARG002 - seconds are of one seed
        runs: dict[str, set[int]] = {}
        for metric, epochs in questions:
            if epochs is not None:
                runs.setdefault(_loss_of(metric), set()).add(epochs)
        spent = np.zeros(len(self.space))
        for loss, read in runs.items():
            spent += self._training(loss, max(read)) + len(read) * self._pass(loss)
        return spent

    def continued(self, cell: Cell, since: int, epochs: int, metrics: Sequence[str] = ()) -> float:
        """The seconds of the epochs in between, and of one validation pass, for every loss that is read.

        Args:
            cell: A cell of `space`.
            since: The epochs that it was trained for.
            epochs: The epochs after which it is asked for, more than those.
            metrics: What is asked for.
        """
        place = self.space.index(cell)
        losses = {_loss_of(metric) for metric in metrics}
        between = (self._training(loss, epochs) - self._training(loss, since) + self._pass(loss) for loss in losses)
        return float(sum(seconds[place] for seconds in between))

    def _training(self, loss: str, epochs: int) -> Values:
        """The seconds of so many epochs of every cell."""
        whole = self.question(f"train_seconds@{loss}")
        return self._column(whole, "mean") * (epochs / (whole.epochs or 1))

    def _pass(self, loss: str) -> Values:
        return self._column(self.question(f"valid_seconds@{loss}"), "mean")


def _loss_of(metric: str) -> str:
    return metric.partition("@")[2]


class FilledBenchmark(LossesBenchmark):
    """A table of losses over the whole space: trained cells as they are, the others predicted and marked so."""

    _table: FilledTable

    def __init__(self, path: Path) -> None:
        """Open a table; a metric is predicted when it is first asked for.

        Args:
            path: The file.

        Raises:
            UserError: The file is missing, damaged or of another format.
        """
        super().__init__(path)
        self.name = self._table.name

    def _read_table(self, path: Path) -> FilledTable:
        return FilledTable(read_compact(path))

    def _answer(self, cell: Cell, question: Question, seed: Seed, value: float) -> Answer:
        answer = super()._answer(cell, question, seed, value)
        trained = self._table.table.sources.get(question)
        if trained is not None:
            answer.source = trained if answer.n_seeds else f"predicted from the trained cells of {self.name}"
        return answer


class Losses(Opener):
    """``losses-TASK``, all cells of the space, and ``losses-TASK/trained``, those that were trained."""

    def names(self) -> Iterable[str]:
        """The tables that are shipped, and those that were made here."""
        folders = (home() / "losses", shipped("losses"))
        tasks = sorted({path.stem for folder in folders for path in folder.glob("*.h5")})
        return [PREFIX + task + what for task in tasks for what in ("", TRAINED)]

    def claims(self, name: str) -> bool:
        """Whether a name begins as a table of losses, here or not, and is not that of a table of another kind.

        Args:
            name: What the user wrote.
        """
        return name.startswith(PREFIX) and not table_path(name).is_file()

    def open(self, name: str) -> LossesBenchmark:
        """Open a table: one that was made here before a shipped one.

        Args:
            name: A name that this opener claims.

        Raises:
            AbsentError: It has to be made first.
            UserError: It is damaged.
        """
        path = _path(name)
        if not path.is_file():
            raise AbsentError(f"{name} is not here yet: run snas table-losses --tasks {path.stem}.")
        return open_losses(path, LossesBenchmark if name.endswith(TRAINED) else FilledBenchmark)

    def describe(self) -> Iterator[dict[str, Any]]:
        """The entries of all tables."""
        for name in self.names():
            yield entry_of(name, _path(name), partial(self.open, name))


def _path(name: str) -> Path:
    """The file of a table: one that was made here before a shipped one."""
    task = name.removeprefix(PREFIX).removesuffix(TRAINED)
    own = home() / "losses" / f"{task}.h5"
    return own if own.is_file() else shipped(f"losses/{task}.h5")


def open_losses(path: Path, kind: type[LossesBenchmark]) -> LossesBenchmark:
    """Open a table of losses, or return the one that this process has open, unless the file has changed.

    Args:
        path: The file.
        kind: Of the trained cells only, or filled.

    Raises:
        UserError: The file is missing, damaged or of another format.
    """
    return _opened(path, kind, path.stat().st_mtime_ns if os.path.isfile(path) else 0, home())


@lru_cache(maxsize=16)
def _opened(path: Path, kind: type[LossesBenchmark], modified: int, folder: Path) -> LossesBenchmark:  # noqa: ARG001
    return kind(path)
