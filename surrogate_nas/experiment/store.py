"""Results: an append-only, crash-safe store of trials, from which everything that is reported can be recomputed.

A folder holds ``experiment.json`` (what was compared, under which fingerprint, with which versions) and
``runs/STRATEGY-RUN.jsonl``: one line a trial, in the order of evaluation, and a last line when the run has ended.
A line that a crash tore is dropped; an unfinished run is replayed by its strategy and continued.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.errors import UserError
from surrogate_nas.files import replacing
from surrogate_nas.space import Cell, Space
from surrogate_nas.trial import Trial

if TYPE_CHECKING:
    import pandas

VERSION = 1
_VERSIONED = ("numpy", "scipy", "scikit-learn", "h5py", "joblib")


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
    """

    strategy: str
    run: int
    trials: Sequence[Trial] = field(repr=False)
    real_seconds: float
    strategy_seconds: float
    failure: str = ""
    epochs: int | None = None

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

    def to_frame(self) -> pandas.DataFrame:
        """Every trial as a row: strategy, run, the trial's fields, and its metrics by name."""
        import pandas

        rows = []
        for trial in self.trials:
            row = {"strategy": self.strategy, "run": self.run, **_to_json(trial)}
            rows.append({**{name: value for name, value in row.items() if name != "values"}, **trial.values})
        return pandas.DataFrame(rows)

    @property
    def simulated_seconds(self) -> float:
        """What all trials cost, in seconds, or in queries where the benchmark counts those."""
        return sum(trial.cost_seconds for trial in self.trials)


class RunLog:
    """The file of one run, open for appending.

    Attributes:
        known: How many trials the file held when it was opened; they are not written again.
    """

    def __init__(self, path: Path) -> None:
        """Open or make the file, dropping a torn last line.

        Args:
            path: The file.

        Raises:
            UserError: It cannot be written.
        """
        self.path = path
        lines, length = _whole_lines(path)
        self._known = [json.loads(line) for line in lines]
        self.known = len(self._known)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: TextIO = path.open("a", encoding="utf-8")
            os.truncate(path, length)
        except OSError as error:
            raise _cannot_write(path, error) from error

    def append(self, trials: Sequence[Trial]) -> None:
        """Write trials that the file does not hold yet, and hold those that it does against them.

        Args:
            trials: The next trials of the run.

        Raises:
            UserError: The disk is full, or the file holds another history.
        """
        for trial in trials:
            if trial.index < self.known:
                if self._known[trial.index] != json.loads(json.dumps(_to_json(trial))):
                    raise UserError(
                        f"{self.path} holds another history, made by another version. Delete it and run again."
                    )
            else:
                self._write(_to_json(trial))

    def finish(self, run: Run) -> None:
        """Write the last line, which marks the run as ended.

        Args:
            run: The ended run.
        """
        self._write(
            {
                "end": len(run.trials),
                "real_seconds": run.real_seconds,
                "strategy_seconds": run.strategy_seconds,
                "failure": run.failure,
                "epochs": run.epochs,
            }
        )

    def _write(self, content: dict[str, Any]) -> None:
        try:
            self._file.write(json.dumps(content) + "\n")
            self._file.flush()
        except OSError as error:
            raise _cannot_write(self.path, error) from error

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class Store:
    """The folder of one comparison."""

    def __init__(self, folder: Path) -> None:
        """Name the folder; nothing is read or written yet.

        Args:
            folder: Where results lie or will lie.
        """
        self.folder = folder

    @property
    def _description(self) -> Path:
        return self.folder / "experiment.json"

    def begin(self, experiment: dict[str, Any]) -> None:
        """Write what is compared, or check that the folder holds the same comparison.

        A folder may be extended by further strategies and runs; everything else must agree.

        Args:
            experiment: The description, with ``fingerprint``, ``strategies`` and ``runs``.

        Raises:
            UserError: The folder holds another comparison, or cannot be written.
        """
        merged = dict(experiment)
        if self._description.is_file():
            held = self.read()
            _check_same(held, experiment, self.folder)
            merged["strategies"] = [*held["strategies"]] + [
                s for s in experiment["strategies"] if s not in held["strategies"]
            ]
            merged["runs"] = max(held["runs"], experiment["runs"])
        merged |= {"version": VERSION, "provenance": provenance()}
        self.write_json("experiment.json", merged)

    def read(self) -> dict[str, Any]:
        """What is compared.

        Raises:
            UserError: The folder holds no comparison, or a damaged one.
        """
        try:
            content: dict[str, Any] = json.loads(self._description.read_text(encoding="utf-8"))
        except OSError as error:
            raise UserError(f"{self.folder} holds no comparison: {error.strerror}.") from error
        except ValueError as error:
            raise UserError(f"{self._description} is damaged: {error}.") from error
        found = content.get("version") if isinstance(content, dict) else None
        if found != VERSION:
            raise UserError(f"{self._description} is of version {found}, not {VERSION}.")
        if missing := sorted({"fingerprint", "benchmark", "objective", "strategies", "runs"} - content.keys()):
            raise UserError(f"{self._description} is damaged: it says nothing of {', '.join(missing)}.")
        return content

    def write_json(self, name: str, content: Any) -> None:
        """Write a JSON file so that it is either whole or as it was before.

        Args:
            name: The file's name in the folder.
            content: What to write.

        Raises:
            UserError: The folder cannot be written.
        """
        self.write_text(name, json.dumps(content, indent=1) + "\n")

    def write_text(self, name: str, content: str) -> None:
        """Write a text file so that it is either whole or as it was before.

        Args:
            name: The file's name in the folder.
            content: What to write.

        Raises:
            UserError: The folder cannot be written.
        """
        with replacing(self.folder / name) as temporary:
            temporary.write_text(content, encoding="utf-8")

    def path(self, strategy: str, run: int) -> Path:
        """The file of a run.

        Args:
            strategy: The strategy's label.
            run: The number of the run.
        """
        return self.folder / "runs" / f"{strategy}-{run}.jsonl"

    @contextmanager
    def log(self, strategy: str, run: int) -> Iterator[RunLog]:
        """Open a run's file for appending.

        Args:
            strategy: The strategy's label.
            run: The number of the run.
        """
        log = RunLog(self.path(strategy, run))
        try:
            yield log
        finally:
            log.close()

    def discard(self, strategy: str, run: int) -> None:
        """Forget a run, so that it starts anew.

        Args:
            strategy: The strategy's label.
            run: The number of the run.
        """
        self.path(strategy, run).unlink(missing_ok=True)

    def load(self, strategy: str, run: int, space: Space) -> Run | None:
        """Read a run; None while it has not ended.

        Args:
            strategy: The strategy's label.
            run: The number of the run.
            space: The space of its cells.

        Raises:
            UserError: The file is damaged.
        """
        path = self.path(strategy, run)
        lines, _ = _whole_lines(path, with_end=True)
        if not lines:
            return None
        try:
            content = [json.loads(line) for line in lines]
            end = content.pop()
            if "end" not in end:
                return None
            trials = [_from_json(entry, space.parse) for entry in content]
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"{path} is damaged ({error}). Delete it and run again.") from error
        if len(trials) != end["end"]:
            raise UserError(
                f"{path} is damaged: it holds {len(trials)} of {end['end']} trials. Delete it and run again."
            )
        return Run(strategy, run, trials, end["real_seconds"], end["strategy_seconds"], end["failure"], end["epochs"])


def provenance() -> dict[str, Any]:
    """What the results were made with."""
    from surrogate_nas import __version__

    return {
        "surrogate_nas": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        **{package: version(package) for package in _VERSIONED},
    }


def _check_same(held: dict[str, Any], wanted: dict[str, Any], folder: Path) -> None:
    for key in wanted.keys() - {
        "strategies",
        "runs",
        "objective",
        "with",
    }:  # files may move
        if held.get(key) != wanted[key]:
            raise UserError(
                f"{folder} holds another comparison ({key} {held.get(key)}, now {wanted[key]}); "
                "results of two are never mixed. Choose another folder."
            )


def _whole_lines(path: Path, *, with_end: bool = False) -> tuple[list[str], int]:
    """The whole lines of a file, and their length in bytes; the ending line only on request."""
    if not path.is_file():
        return [], 0
    content = path.read_bytes()
    content = content[: content.rfind(b"\n") + 1]
    lines = content.decode("utf-8", errors="replace").splitlines()
    if lines and lines[-1].startswith('{"end"') and not with_end:
        content = content[: len(content) - len(lines.pop()) - 1]
    return lines, len(content)


def _to_json(trial: Trial) -> dict[str, Any]:
    return {
        "index": trial.index,
        "cell": trial.cell.text,
        "score": trial.score,
        "loss": trial.loss,
        "penalty": trial.penalty,
        "feasible": trial.feasible,
        "epochs": trial.epochs,
        "cost_seconds": trial.cost_seconds,
        "values": trial.values,
        "started": trial.started,
        "finished": trial.finished,
        "scores": trial.scores,
    }


def _from_json(entry: dict[str, Any], parse: Any) -> Trial:
    cell: Cell = parse(entry["cell"])
    return Trial(**(entry | {"cell": cell, "scores": tuple(entry["scores"])}))


def _cannot_write(path: Path, error: OSError) -> UserError:
    return UserError(f"Cannot write {path}: {error.strerror or error}. What was finished is kept; run again to go on.")
