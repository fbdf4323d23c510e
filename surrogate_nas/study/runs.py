"""One run: its trials, and the file that keeps them as they come.

A file holds one sealed line a trial, in the order of evaluation, and a last line when the run has ended.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core.errors import UserError
from surrogate_nas.core.notebook import html_table
from surrogate_nas.files.journal import Chain, DamagedError, read_chain
from surrogate_nas.files.regular import read_regular
from surrogate_nas.space import Space
from surrogate_nas.space.trial import Trial
from surrogate_nas.study.lines import Lines

if TYPE_CHECKING:
    import pandas

_END, _TOLD = "end", "diagnosis"


@dataclass(frozen=True)
class Run:
    """One strategy's search with one seed.

    Attributes:
        strategy: The label of the strategy.
        run: The number of the run, which seeds it and pairs it with the same run of other strategies.
        trials: In the order of evaluation.
        real_seconds: Wall-clock seconds of strategy and evaluation together.
        strategy_seconds: Those spent in `ask` and `tell`.
        failure: What went wrong, or empty.
        epochs: The objective's own; only trials after these can be the answer. None where training plays no part.
        budget_cells: The most evaluations that it might make, or None.
        budget_seconds: The most simulated seconds that it might take, or None.
        scalarised: Whether the strategy knew one objective only and was run on several by random weights.
        diagnosis: What the strategy told of the run besides its trials: numbers by name, in groups by name.
    """

    strategy: str
    run: int
    trials: Sequence[Trial] = field(repr=False)
    real_seconds: float
    strategy_seconds: float
    failure: str = ""
    epochs: int | None = None
    budget_cells: int | None = None
    budget_seconds: float | None = None
    scalarised: bool = False
    diagnosis: Mapping[str, Mapping[str, float]] = field(default_factory=dict, repr=False)

    @property
    def answers(self) -> list[Trial]:
        """The trials after the objective's own epochs."""
        return [trial for trial in self.trials if trial.epochs == self.epochs]

    @property
    def scores(self) -> NDArray[np.float64]:
        """Score of every trial."""
        return np.array([trial.score for trial in self.trials])

    @property
    def incumbent(self) -> Trial:
        """The best trial of the whole history after the objective's own epochs, the earliest among equals."""
        return min(self.answers, key=lambda trial: trial.score)

    def __repr__(self) -> str:
        return f"<Run {self.run} of {self.strategy}: {self._outcome}>"

    @property
    def _outcome(self) -> str:
        if self.failure:
            return f"failed: {self.failure}"
        if not self.answers:
            return f"{len(self.trials)} trials, no answer"
        best = self.incumbent
        found = f"best score {best.score:.6g}" if best.feasible else "no feasible cell"
        return f"{len(self.trials)} trials, {found}"

    def _repr_html_(self) -> str:
        """The run in a notebook: what it found, and after how many trials."""
        improving, best = [], float("inf")
        for trial in self.answers:
            if trial.score < best and trial.feasible:
                best = trial.score
                improving.append((trial.index + 1, trial.cell, trial.score, trial.loss, trial.penalty))
        heads = ("trial", "cell", "score", "L", "λR")
        return html_table(f"{self.strategy}, run {self.run}", heads, improving[::-1], self._outcome)

    def to_frame(self) -> pandas.DataFrame:
        """Every trial as a row: strategy, run, the trial's fields, and its metrics by name."""
        import pandas

        rows = []
        for trial in self.trials:
            row = {"strategy": self.strategy, "run": self.run, **_TRIALS.write(trial)}
            rows.append({**{name: value for name, value in row.items() if name != "values"}, **trial.values})
        return pandas.DataFrame(rows)

    @property
    def simulated_seconds(self) -> float:
        """What all trials cost, in seconds, or in queries where the benchmark counts those."""
        return sum(trial.cost_seconds for trial in self.trials)


_TRIALS = Lines(Trial, at_least={"index": 0, "epochs": 1, "cost_seconds": 0, "started": 0, "finished": 0})
_RUNS = Lines(
    Run,
    without=("strategy", "run", "trials", "diagnosis"),
    at_least={"real_seconds": 0, "strategy_seconds": 0, "epochs": 1},
)
_FIELDS = tuple(held.name for held in fields(Run))
_DIAGNOSES = Lines(Run, without=[name for name in _FIELDS if name != _TOLD])
"""A line without one is of a strategy that tells none."""


class OtherHistoryError(UserError):
    """A run that was replayed went another way than its file tells."""


class RunLog:
    """The file of one run, open for appending by this process alone.

    Attributes:
        known: How many trials the file held when it was opened; they are not written again.
    """

    def __init__(self, path: Path, root: str) -> None:
        """Open or make the file, dropping a torn last line and the mark that the run had ended.

        Args:
            path: The file.
            root: Of which run of which comparison it is.

        Raises:
            UserError: It is damaged, of another comparison, or cannot be written.
        """
        self.path = path
        try:
            self._chain = Chain(path, root, _unended)
        except DamagedError as error:
            raise _damaged(path, error) from error
        except OSError as error:
            raise _cannot_write(path, error) from error
        self._known = self._chain.entries
        self.known = len(self._known)

    def append(self, trials: Sequence[Trial]) -> None:
        """Write trials that the file does not hold yet, and hold those that it does against them.

        Args:
            trials: The next trials of the run.

        Raises:
            UserError: The disk is full, or the file holds another history.
        """
        entries = [_TRIALS.write(trial) for trial in trials]
        if trials and trials[0].index < self.known:
            known = [entry for entry in entries if entry["index"] < self.known]
            for entry in known:
                if self._known[entry["index"]] != json.loads(json.dumps(entry)):
                    raise self._other_history()
            entries = entries[len(known) :]
        try:
            self._chain.append_all(entries)
        except OSError as error:
            raise _cannot_write(self.path, error) from error

    def finish(self, run: Run) -> None:
        """Write the last line, which marks the run as ended, and wait until all is on the disk.

        Args:
            run: The ended run.

        Raises:
            UserError: The disk is full, or the file holds another history.
        """
        if len(run.trials) < self.known:
            raise self._other_history()
        try:
            told = {_TOLD: {name: dict(group) for name, group in run.diagnosis.items()}} if run.diagnosis else {}
            self._chain.append({_END: len(run.trials), **told, **_RUNS.write(run)})
            self._chain.commit()
        except OSError as error:
            raise _cannot_write(self.path, error) from error

    def _other_history(self) -> UserError:
        return OtherHistoryError(
            f"{self.path} holds another history, made by another version. Delete it and run again."
        )

    def close(self) -> None:
        """Let the file go.

        Raises:
            UserError: The disk is full.
        """
        try:
            self._chain.close()
        except OSError as error:
            raise _cannot_write(self.path, error) from error


def _unended(entries: list[dict[str, Any]]) -> int:
    return len(entries) - bool(entries and _END in entries[-1])


def read_run(path: Path, root: str, strategy: str, run: int, space: Space) -> Run | None:
    """Read a run; None while it has not ended.

    Args:
        path: Its file.
        root: Of which run of which comparison it is.
        strategy: The strategy's label.
        run: The number of the run.
        space: The space of its cells.

    Raises:
        UserError: The file is damaged, of another comparison, or cannot be read.
    """
    try:
        entries = [link.entry for link in read_chain(read_regular(path), root)]
        end = ending(entries[-1], len(entries) - 1) if entries else None
        if end is None:
            return None
        trials = [_trial(number, entry, space) for number, entry in enumerate(entries[:-1])]
        return Run(strategy, run, trials, **end)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror or error}.") from error
    except ValueError as error:
        raise _damaged(path, error) from error


def ending(entry: Mapping[str, Any], trials: int) -> dict[str, Any] | None:
    """What the last line of an ended run says of it, by the fields of `Run`; None where the line is a trial's.

    Args:
        entry: The line.
        trials: How many came before it.

    Raises:
        ValueError: It is damaged.
    """
    if _END not in entry:
        return None
    told = dict(entry)
    if told.pop(_END) != trials:
        raise DamagedError(f"its last line counts other than {trials} trials")
    diagnosis = _DIAGNOSES.read({_TOLD: told.pop(_TOLD, {})})
    return {**_RUNS.read(told), **diagnosis}


def _trial(number: int, entry: dict[str, Any], space: Space) -> Trial:
    values = _TRIALS.read(entry)
    cell = space.parse(values["cell"])
    if cell.text != values["cell"] or values["index"] != number:
        raise DamagedError(f"trial {number} is not where or what it should be")
    return Trial(**(values | {"cell": cell}))


def _damaged(path: Path, error: Exception) -> UserError:
    return UserError(f"{path} is damaged or of another comparison ({error}). Delete it and run again.")


def _cannot_write(path: Path, error: OSError) -> UserError:
    return UserError(f"Cannot write {path}: {error.strerror or error}. What was finished is kept; run again to go on.")
