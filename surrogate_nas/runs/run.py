"""One run: its trials, and the file that keeps them as they come.

A file holds one sealed line a trial, in the order of evaluation, and a last line when the run has
ended.
"""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from msgspec.structs import asdict
from numpy.typing import NDArray

from surrogate_nas.core.errors import UserError
from surrogate_nas.core.notebook import html_table
from surrogate_nas.files.journal import Chain, DamagedError, read_chain
from surrogate_nas.files.regular import open_regular, read_regular
from surrogate_nas.runs.stored import EndLine, Judged, TrialLine, checked_as
from surrogate_nas.space import Cell
from surrogate_nas.space.trial import Trial

if TYPE_CHECKING:
    import pandas

    from surrogate_nas.runs.confirmation import Confirmation

_END = "end"
_MOST_FAILED = 50
_LONGEST = 1000
"""Failed trainings that are shown of a run, and characters of their texts."""


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
        """The best trial of the whole history after the objective's own epochs, the earliest among
        equals.

        One whose evaluation failed only where all did.
        """
        return min(self.answers, key=lambda trial: (bool(trial.failure), trial.score))

    @property
    def best_known(self) -> Trial | None:
        """The best of what was known before, after the objective's own epochs and feasible; a
        baseline beside `incumbent`. None where there is none.
        """
        whole = [trial for trial in self.known if trial.epochs == self.epochs and trial.feasible]
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
        """The run in a notebook: what it found, and after how many trials."""
        improving = []
        best = float("inf")
        for trial in self.answers:
            if trial.score < best and trial.feasible:
                best = trial.score
                improving.append(
                    (trial.index + 1, trial.cell, trial.score, trial.loss, trial.penalty)
                )
        heads = ("trial", "cell", "score", "L", "λR")
        return html_table(f"{self.strategy}, run {self.run}", heads, improving[::-1], self._outcome)

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
_END_FIELDS = tuple(
    field.name
    for field in fields(Run)
    if field.name not in ("strategy", "run", "trials", "diagnosis", "known", "confirmed", "judged")
)


def trial_entry(trial: Trial) -> dict[str, Any]:
    """A trial as JSON can hold it."""
    entry = {name: getattr(trial, name) for name in _TRIAL_FIELDS}
    entry["cell"] = trial.cell.text
    entry["values"] = dict(trial.values)
    if not trial.failure:
        del entry["failure"]
    return entry


def _end_entry(run: Run) -> dict[str, Any]:
    entry: dict[str, Any] = {_END: len(run.trials)}
    if run.diagnosis:
        entry["diagnosis"] = {name: dict(group) for name, group in run.diagnosis.items()}
    if run.judged is not None:
        entry["judged"] = asdict(run.judged)
    for name in _END_FIELDS:
        entry[name] = getattr(run, name)
    return entry


class OtherHistoryError(UserError):
    """A run that was replayed went another way than its file tells."""


class RunLog:
    """The file of one run, open for appending by this process alone.

    Attributes:
        known: How many trials the file held when it was opened; they are not written again.
    """

    def __init__(self, path: Path, root: str) -> None:
        """Open or make the file, dropping a torn last line and the mark that the run had ended."""
        self.path = path
        with _writing(path):
            self._chain = Chain(path, root, _unended)
        self._known = self._chain.entries
        self.known = len(self._known)

    def observed(self) -> Iterator[tuple[str, Mapping[str, float]]]:
        """The cells, as text, and the values of the trials in the file when it was opened."""
        for entry in self._known:
            cell = entry.get("cell")
            values = entry.get("values")
            if isinstance(cell, str) and isinstance(values, dict):
                yield cell, values

    def entry(self, index: int) -> Mapping[str, Any]:
        """The line of a trial that the file held when it was opened."""
        return self._known[index]

    def append(self, trials: Sequence[Trial], *, at_once: bool = False) -> None:
        """Write trials that the file does not hold yet, and hold those that it does against
        them.

        Args:
            trials: In the order of the run.
            at_once: Whether to wait until they are on the disk, as each was dear; else they are
                within a second.
        """
        entries = [trial_entry(trial) for trial in trials]
        if trials and trials[0].index < self.known:
            known = [entry for entry in entries if entry["index"] < self.known]
            for entry in known:
                if _as_text(self._known[entry["index"]]) != _as_text(entry):
                    raise self.other_history()
            entries = entries[len(known) :]
        with _writing(self.path):
            self._chain.append(*entries)
            if at_once:
                self._chain.commit()

    def finish(self, run: Run) -> None:
        """Write the last line, which marks the run as ended, and wait until all is on the disk."""
        if len(run.trials) < self.known:
            raise self.other_history()
        with _writing(self.path):
            self._chain.append(_end_entry(run))
            self._chain.commit()

    def other_history(self) -> UserError:
        """What to raise where the run goes another way than its file tells."""
        return OtherHistoryError(
            f"{self.path} holds another history, made by another version. Delete it and run again."
        )

    def close(self) -> None:
        """Let the file go."""
        with _writing(self.path):
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
        entries = [link.entry for link in read_chain(read_regular(path), root)]
        end = ending(entries[-1], len(entries) - 1) if entries else None
        if end is None:
            return None
        trials = [_trial(number, entry, cell) for number, entry in enumerate(entries[:-1])]
        return Run(strategy, run, trials, **end)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror or error}.") from error
    except ValueError as error:
        raise _damaged(path, error) from error


def ending(entry: Mapping[str, Any], trials: int) -> dict[str, Any] | None:
    """What the last line of an ended run says of it, by the fields of `Run`; None where the line is
    a trial's.
    """
    if _END not in entry:
        return None
    line = checked_as(EndLine, entry)
    if line.end != trials:
        raise DamagedError(f"its last line counts other than {trials} trials")
    content = {name: getattr(line, name) for name in _END_FIELDS}
    return {**content, "diagnosis": line.diagnosis, "judged": line.judged}


def _trial(number: int, entry: dict[str, Any], cell: Callable[[str], Cell]) -> Trial:
    line = checked_as(TrialLine, entry)
    values = {name: getattr(line, name) for name in _TRIAL_FIELDS}
    values["cell"] = cell(line.cell)
    if values["cell"].text != line.cell or line.index != number:
        raise DamagedError(f"trial {number} is not where or what it should be")
    if math.isfinite(line.loss + line.penalty) == bool(line.failure):
        raise DamagedError(f"trial {number} has no L or λR, or failed and has one")
    return Trial(**values)


def _damaged(path: Path, error: Exception) -> UserError:
    return UserError(
        f"{path} is damaged or of another comparison ({error}). Delete it and run again."
    )


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except DamagedError as error:
        raise _damaged(path, error) from error
    except OSError as error:
        why = error.strerror or error
        raise UserError(
            f"Cannot write {path}: {why}. What was finished is kept; run again to go on."
        ) from error


class _Stamp(NamedTuple):
    inode: int
    size: int
    changed: int


class RunWatch:
    """Follows one run while it is made, without its lock: what its file tells by now, each line
    read once.

    The writer is not disturbed. A line that it is just writing is read the next time; a file that
    was begun anew, or whose end was taken back because the budget was raised, is read from its
    start.

    Attributes:
        path: Its file.
        best: The best feasible score after each trial, infinite before there is one; trials after
            other epochs than the objective's do not count.
        finished: When each trial ended, on the simulated clock of the run.
        end: What its last line says, by the fields of `Run`; None while it has not ended.
        damage: What is wrong with its file, or empty.
        n_failed: How many trainings failed.
        failed: The cells and reasons of the last of them.
        is_read: Whether it was looked at.
    """

    def __init__(self, path: Path, root: str, epochs: int | None) -> None:
        """Name the file; nothing is read yet."""
        self.path = path
        self._root = root
        self._epochs = epochs
        self._stamp: _Stamp | None = None
        self.is_read = False
        self._forget()

    def _forget(self) -> None:
        self._read = 0
        self._seal = self._root
        self.best: list[float] = []
        self.finished: list[float] = []
        self.end: dict[str, Any] | None = None
        self.damage = ""
        self.n_failed = 0
        self.failed: deque[tuple[str, str]] = deque(maxlen=_MOST_FAILED)

    @property
    def is_begun(self) -> bool:
        """Whether there is a file."""
        return self._stamp is not None

    def refresh(self) -> bool:
        """Read what has come since the last time."""
        try:
            status = self.path.stat()
            stamp = _Stamp(status.st_ino, status.st_size, status.st_mtime_ns)
        except OSError:
            stamp = None
        before = self._stamp
        self._stamp = stamp
        self.is_read = True
        if stamp == before:
            return False
        grown = (
            stamp
            and before
            and stamp.inode == before.inode
            and stamp.size >= self._read
            and not self.damage
        )
        if not (grown and self._read_on()):
            self._forget()
            if stamp:
                self._read_on()
        return True

    def _read_on(self) -> bool:
        try:
            with open_regular(self.path) as file:
                file.seek(self._read)
                links = read_chain(file.read(), self._seal)
            for link in links:
                self._take(link.entry)
        except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
            self.damage = (
                (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
            )
            return False
        if links:
            self._read = self._read + links[-1].end
            self._seal = links[-1].seal.decode()
        return not self.damage

    def _take(self, entry: dict[str, Any]) -> None:
        if self.end is not None:
            raise DamagedError("it goes on after its end")
        self.end = ending(entry, len(self.best))
        if self.end is not None:
            return
        score = float(entry["score"])
        finished = float(entry["finished"])
        if not (math.isfinite(score) and math.isfinite(finished)):
            raise DamagedError(f"trial {len(self.best)} is no number")
        best = self.best[-1] if self.best else math.inf
        counts = entry["feasible"] is True and entry["epochs"] == self._epochs
        if counts:
            best = min(best, score)
        self.best.append(best)
        self.finished.append(finished)
        failure = entry.get("failure")
        if failure:
            self.n_failed += 1
            self.failed.append((str(entry.get("cell"))[:_LONGEST], str(failure)[:_LONGEST]))
