"""One run: its trials, and the file that keeps them as they come.

A file holds one sealed line a trial, in the order of evaluation, and a last line when the run has
ended.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property, lru_cache
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from msgspec import to_builtins
from numpy.typing import NDArray

from surrogate_nas.core.errors import UserError
from surrogate_nas.core.notebook import html_table
from surrogate_nas.files.journal import Chain, DamagedError, read_chain, reported
from surrogate_nas.files.whole import read_regular
from surrogate_nas.runs.stored import Confirmation, EndLine, Judged, TrialLine, checked_as
from surrogate_nas.space import Cell
from surrogate_nas.space.trial import Trial

if TYPE_CHECKING:
    import pandas


_END = "end"
_DAMAGE = "or of another comparison ({}). Delete it and run again."
_MOST_WATCHED = 20_000


@dataclass(frozen=True)
class Run:
    """One strategy's search with one seed.

    Attributes:
        strategy: The label of the strategy.
        run: The number of the run, which seeds it and pairs it with the same run of other
            strategies.
        trials: In the order of evaluation.
        real_seconds: Wall-clock seconds of strategy and evaluation together.
        strategy_seconds: Those spent in `ask` and `tell`.
        failure: What went wrong, or empty.
        epochs: The objective's own; only trials after these can be the answer. None where training
            plays no part.
        budget_cells: The most evaluations that it might make, or None.
        budget_seconds: The most simulated seconds that it might take, or None.
        scalarised: Whether the strategy knew one objective only and was run on several by random
            weights.
        diagnosis: What the strategy told of the run besides its trials: numbers by name, in groups
            by name.
        known: What was trained before and told to the strategy first: no trials of the run, never
            its answer, not charged; stored with the comparison, not with the run.
        confirmed: The result of training its best cells with fresh seeds, where that was asked for;
            stored beside the run.
        judged: The incumbent by the mean over seeds, where its search saw a drawn one and the
            others were trained for it; None elsewhere.
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
    known: Sequence[Trial] = field(default=(), repr=False)
    confirmed: Confirmation | None = field(default=None, repr=False)
    judged: Judged | None = field(default=None, repr=False)

    @property
    def answers(self) -> list[Trial]:
        """The trials after the objective's own epochs."""
        return [trial for trial in self.trials if trial.epochs == self.epochs]

    @property
    def scores(self) -> NDArray[np.float64]:
        """Score of every trial."""
        return np.array([trial.score for trial in self.trials])

    @cached_property
    def incumbent(self) -> Trial:
        """The earliest best trial after the objective's own epochs; one whose evaluation failed
        only where all did.
        """
        return min(self.answers, key=lambda trial: (bool(trial.failure), trial.score))

    @property
    def best_known(self) -> Trial | None:
        """The best of what was known before, after the objective's own epochs and feasible; a
        baseline beside `incumbent`. None where there is none.
        """
        whole = (t for t in self.known if t.epochs == self.epochs and t.feasible)
        return min(whole, key=lambda trial: trial.score, default=None)

    def __repr__(self) -> str:
        return f"<Run {self.run} of {self.strategy}: {self._outcome}>"

    @property
    def _outcome(self) -> str:
        if self.failure:
            return f"failed: {self.failure}"
        if not self.answers:
            return f"{len(self.trials)} trials, no answer"
        best = self.incumbent
        outcome = f"best score {best.score:.6g}" if best.feasible else "no feasible cell"
        return f"{len(self.trials)} trials, {outcome}"

    def _repr_html_(self) -> str:
        improving: list[tuple[object, ...]] = []
        best = math.inf
        for t in self.answers:
            if t.score < best and t.feasible:
                best = t.score
                improving.append((t.index + 1, t.cell, t.score, t.loss, t.penalty))
        heads = ("trial", "cell", "score", "L", "λR")
        return html_table(
            f"{self.strategy}, run {self.run}", heads, improving[::-1], self._outcome
        )

    def to_frame(self) -> pandas.DataFrame:
        """Every trial as a row: strategy, run, the trial's fields, and its metrics by name."""
        import pandas

        of_run = {"strategy": self.strategy, "run": self.run}
        rows = [{**of_run, **trial_entry(trial), **trial.values} for trial in self.trials]
        return pandas.DataFrame(rows).drop(columns="values", errors="ignore")

    @property
    def simulated_seconds(self) -> float:
        """What all trials cost, in seconds, or in queries where the benchmark counts those."""
        return sum(trial.cost_seconds for trial in self.trials)


_TRIAL_FIELDS = tuple(field.name for field in fields(Trial))
_END_FIELDS = EndLine.__struct_fields__[1:]


def trial_entry(trial: Trial) -> dict[str, Any]:
    """A trial as JSON can hold it."""
    entry = {name: getattr(trial, name) for name in _TRIAL_FIELDS}
    entry |= {"cell": trial.cell.text, "values": dict(trial.values)}
    if not trial.failure:
        del entry["failure"]
    return entry


class OtherHistoryError(UserError):
    """A run that was replayed went another way than its file tells."""


class RunLog:
    """The file of one run, open for appending; `known` are the lines of the trials that it held."""

    def __init__(self, path: Path, root: str) -> None:
        self.path = path
        with reported(path, _DAMAGE):
            self._chain = Chain(path, root, _unended)
        self.known: list[dict[str, Any]] = self._chain.entries

    def append(self, trials: Sequence[Trial], *, at_once: bool = False) -> None:
        """Write trials that the file does not hold yet, and compare the others with it.

        They are on the disk within a second, or with `at_once` when this returns.
        """
        new = []
        for trial in trials:
            entry = trial_entry(trial)
            if trial.index >= len(self.known):
                new.append(entry)
            elif _as_text(self.known[trial.index]) != _as_text(entry):
                raise self.other_history()
        with reported(self.path, _DAMAGE):
            self._chain.append(*new)
            if at_once:
                self._chain.commit()

    def finish(self, run: Run) -> None:
        """Write the last line, which marks the run as ended, and wait until all is on the disk."""
        if len(run.trials) < len(self.known):
            raise self.other_history()
        line = EndLine(
            end=len(run.trials), **{name: getattr(run, name) for name in _END_FIELDS}
        )
        with reported(self.path, _DAMAGE):
            self._chain.append(to_builtins(line))
            self._chain.commit()

    def other_history(self) -> UserError:
        """What to raise where the run goes another way than its file tells."""
        return OtherHistoryError(
            f"{self.path} holds another history, made by another version. Delete it and run again."
        )

    def close(self) -> None:
        """Let the file go."""
        with reported(self.path, _DAMAGE):
            self._chain.close()


def _as_text(entry: Mapping[str, Any]) -> str:
    """A line such that two of one content are equal, NaN and all."""
    return json.dumps(entry, sort_keys=True)


def _unended(entries: list[dict[str, Any]]) -> int:
    return len(entries) - bool(entries and _END in entries[-1])


def read_run(
    path: Path,
    root: str,
    strategy: str,
    run: int,
    cell: Callable[[str], Cell],
) -> Run | None:
    """Read a run, whose cells are parsed by a function; None while it has not ended."""
    try:
        entries, end = _parted(path, root)
        if end is None:
            return None
        trials = [_trial(number, entry, cell) for number, entry in enumerate(entries)]
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror or error}.") from error
    except ValueError as error:
        raise UserError(f"{path} is damaged {_DAMAGE.format(error)}") from error
    return Run(strategy, run, trials, **{name: getattr(end, name) for name in _END_FIELDS})


def _parted(path: Path, root: str) -> tuple[list[dict[str, Any]], EndLine | None]:
    entries = read_chain(read_regular(path), root)
    if not entries or _END not in entries[-1]:
        return entries, None
    end = checked_as(EndLine, entries.pop())
    if end.end != len(entries):
        raise DamagedError(f"its last line counts other than {len(entries)} trials")
    return entries, end


def _trial(number: int, entry: dict[str, Any], cell: Callable[[str], Cell]) -> Trial:
    line = checked_as(TrialLine, entry)
    values = {name: getattr(line, name) for name in _TRIAL_FIELDS}
    trial = Trial(**values | {"cell": cell(line.cell)})
    if trial.cell.text != line.cell or line.index != number:
        raise DamagedError(f"trial {number} is not where or what it should be")
    if math.isfinite(line.loss + line.penalty) == bool(line.failure):
        raise DamagedError(f"trial {number} has no L or λR, or failed and has one")
    return trial


@dataclass(frozen=True, eq=False)
class RunWatch:
    """What the file of a run holds while it is made: its trials, its end, or what damages it."""

    path: Path
    epochs: int | None
    trials: Sequence[TrialLine] = ()
    end: EndLine | None = None
    damage: str = ""

    @classmethod
    def of(cls, path: Path, root: str, epochs: int | None) -> RunWatch:
        """Read a file, unless it is as it was the last time."""
        try:
            status = path.stat()
        except OSError:
            return cls(path, epochs)
        return _watched(
            path, root, epochs, (status.st_ino, status.st_size, status.st_mtime_ns)
        )

    @property
    def best(self) -> list[float]:
        """The best feasible score after each trial, infinite before there is one; trials after
        other epochs than the objective's do not count.
        """
        scores = (
            line.score if line.feasible and line.epochs == self.epochs else math.inf
            for line in self.trials
        )
        return [*accumulate(scores, min)]

    @property
    def failed(self) -> list[tuple[str, str]]:
        """The cells and reasons of the trainings that failed."""
        return [(line.cell, line.failure) for line in self.trials if line.failure]


@lru_cache(maxsize=_MOST_WATCHED)
def _watched(path: Path, root: str, epochs: int | None, _: tuple[int, ...]) -> RunWatch:
    try:
        entries, end = _parted(path, root)
        return RunWatch(
            path, epochs, [checked_as(TrialLine, entry) for entry in entries], end
        )
    except (OSError, ValueError) as error:
        return RunWatch(path, epochs, damage=getattr(error, "strerror", None) or str(error))
