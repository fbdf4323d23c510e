"""Run one user-defined training: pass it the request, check its reports, and convert its failures.

A user-defined training runs in the calling process. All output of the training goes to a file,
including output from C code and from child processes. Each failure of the training becomes an
`EvaluationError` with a message of one line.
"""

import ctypes
import json
import math
import os
import re
import shlex
import shutil
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import (
    ExitStack,
    contextmanager,
    redirect_stderr,
    redirect_stdout,
    suppress,
)
from numbers import Integral, Real
from pathlib import Path
from typing import Any, SupportsFloat

from surrogate_nas.benchmarks.computed import not_a_value
from surrogate_nas.benchmarks.trained import Checkpoint, Trained, TrainingFolder
from surrogate_nas.core import (
    VARIABLES,
    Cause,
    EvaluationError,
    Metric,
    UserError,
    is_interrupt,
    one_line,
    plural,
    shown,
    staying,
    threads,
    undeclared_units,
    unknown,
)
from surrogate_nas.runtime import worker
from surrogate_nas.runtime.worker import processor_seconds
from surrogate_nas.space import Cell
from surrogate_nas.space.product import option_text

LOG_BYTES = 10_000_000
"""The maximum size of a training's stored output, in bytes."""
_LONGEST_REASON = 300
_LOOK_SECONDS = 0.5
_PATIENCE_SECONDS = 5.0
_PLACEHOLDER = re.compile(r"\{(\w+)\}")
# The standard streams belong to the whole process.
_one_at_a_time = threading.RLock()


class TrainingTrial:
    """The request that a user's training function receives. The training function calls the
    request's method `report` after every epoch.

    Attributes:
        epochs: The number of the last epoch to train in this call. The last epoch is smaller than
            `longest` if a strategy evaluates a partially trained cell.
        longest: Number of epochs of a full training, which is the length for a learning-rate
            schedule.
        start: Number of epochs that the checkpoint in `folder` was trained for; 0 to train from
            scratch.
        folder: The folder for the training's checkpoint. The folder contains the previous
            checkpoint, if any, and the training must save its new checkpoint there.
        seed: The training seed.
        device: The device for training, such as ``cpu`` or ``cuda:0``.
        threads: The number of threads that the training may use.
        options: The options that make up the cell, by the name of their position.
        log: Path of the file to which the training's output goes.
    """

    def __init__(
        self,
        training: Any,
        cell: Cell,
        training_folder: TrainingFolder,
        state: Checkpoint,
        epochs: int,
        seed: int,
    ) -> None:
        self.epochs = epochs
        self.longest = training.epochs
        self.start = state.epochs
        self.folder = training_folder.begin(state)
        self.seed = seed
        self.device = training.device
        self.threads = training.threads
        self.options = cell.options
        self.curve: dict[int, Trained] = {}
        self.wrong: UserError | None = None
        self._name = state.curve
        self._before = state.seconds
        self._metrics = training.reported
        self._open_units = {
            name for name in training.open_units if not training.shows_percent(name)
        }
        self.log = training_folder.log
        self._reports = training_folder.reports
        self._owner = os.getpid()
        self._clock = processor_seconds if training.on_cpu else time.perf_counter
        self._began = self._clock()

    @property
    def done(self) -> int:
        """The number of the last epoch that was trained."""
        return max(self.curve, default=self.start)

    @property
    def seconds(self) -> float:
        """Seconds since this training began or was resumed."""
        return self._clock() - self._began

    def report(self, epoch: int, **metrics: SupportsFloat) -> None:
        """Report the metrics of the training after an epoch. The training function must save its
        checkpoint before it calls this method.

        Args:
            epoch: The number of the epoch that has just ended. Every epoch from `start` + 1 to
                `epochs` must be reported once, in order.
            **metrics: The values of all reported metrics by name, in the metrics' own units.

        Raises:
            EvaluationError: The report is invalid. After an invalid report, the training counts as
                failed.
            UserError: A value could be a fraction or in %, and the metric's unit is not declared.
        """
        if os.getpid() != self._owner:
            raise RuntimeError(
                "report() must be called in the process in which the training began"
            )
        try:
            if self.wrong is not None:
                raise self.wrong
            values = self._checked(epoch, metrics)
        except UserError as error:
            self.wrong = error  # also where the user's function catches it
            raise
        number, seconds = self.done + 1, self._before + self.seconds
        self.curve[number] = Trained(values, seconds, self._name)
        line = {"epoch": number, "seconds": seconds, "metrics": values}
        with self._reports.open("a", encoding="utf-8") as file:
            file.write(f"{json.dumps(line)}\n")
        shorten(self.log)
        worker.alive()

    def _checked(
        self, epoch: object, metrics: Mapping[str, object]
    ) -> dict[str, float]:
        if not isinstance(epoch, Integral) or isinstance(epoch, bool):
            raise EvaluationError(
                f"it reported the epoch {shown(epoch)}, which is not a whole number"
            )
        following = self.done + 1
        is_last = following > self.epochs
        if epoch != following or is_last:
            asked = f"{plural(self.epochs, 'epoch')} were requested"
            right = asked if is_last else f"epoch {following} is next"
            raise EvaluationError(f"it reported epoch {epoch}, but {right}")
        for name in metrics.keys() - self._metrics.keys():
            wrong = unknown("reported metric", name, self._metrics)
            raise EvaluationError(str(wrong).rstrip("."))
        if missing := [name for name in self._metrics if name not in metrics]:
            raise EvaluationError(
                f"it reported no {', '.join(missing)} for epoch {epoch}"
            )
        values = {
            name: _checked_value(metric, following, metrics[name])
            for name, metric in self._metrics.items()
        }
        self._open_units -= {name for name, value in values.items() if value > 1}
        if unclear := [name for name in values if name in self._open_units]:
            raise undeclared_units(unclear)
        return values


def _checked_value(metric: Metric, epoch: int, value: object) -> float:
    name = metric.name
    scalar = getattr(value, "item", None)  # of an array or a tensor with one element
    with suppress(Exception):
        value = scalar() if callable(scalar) else value
    if not isinstance(value, Real) or isinstance(value, bool):
        raise EvaluationError(
            f"it reported {name} = {shown(value)} for epoch {epoch}, not a number"
        )
    number = math.inf
    with suppress(OverflowError):
        number = float(value)
    if wrong := not_a_value(metric, number):
        raise EvaluationError(
            f"it reported {name} = {number:g} for epoch {epoch}{wrong}"
        )
    return number


Train = Callable[[Cell, TrainingTrial], object]


def run(train: Train, cell: Cell, trial: TrainingTrial) -> None:
    """Run a user's training function, and check that it reported all epochs.

    Raises:
        EvaluationError: The training fails or does not report all epochs.
    """
    try:
        with _printed_to(trial.log), threads(trial.threads), staying():
            train(cell, trial)
        if trial.wrong is not None:
            raise trial.wrong
        if trial.done < trial.epochs:
            epochs = plural(trial.epochs, "epoch")
            raise EvaluationError(f"it ended after {trial.done} of {epochs}")
    except BaseException as error:  # a user's code may raise any, such as GeneratorExit
        if is_interrupt(error):
            raise
        if trial.wrong and not isinstance(trial.wrong, EvaluationError):
            raise trial.wrong from error  # of all trainings, so it ends the search
        raise failure(error, trial) from error
    finally:
        shorten(trial.log)


def failure(error: BaseException, trial: TrainingTrial) -> EvaluationError:
    """Convert an exception of a training to an `EvaluationError` of one line, and append the
    traceback to the training's output.
    """
    error = trial.wrong or error
    what = str(error)
    cause: Cause = "broken"
    if isinstance(error, EvaluationError):
        cause = error.cause
    else:
        what = _last_line(error)
        names = {kind.__name__ for kind in type(error).__mro__}
        # what PyTorch and CuPy call it, which are not imported for this
        cause = "resources" if names & {"MemoryError", "OutOfMemoryError"} else "broken"
        shorten(trial.log)
        # a full disk, or an exception that cannot be printed
        with (
            suppress(Exception),
            trial.log.open("a", encoding="utf-8", errors="replace") as file,
        ):
            file.write("".join(traceback.format_exception(error)))
    reason = f"{one_line(what)[:_LONGEST_REASON]}; its output is in {trial.log}"
    return EvaluationError(reason, cause, max(trial.seconds, 0.0))


def _last_line(error: BaseException) -> str:
    try:
        described = traceback.TracebackException(type(error), error, None)
        notes = list(map(str, getattr(described, "__notes__", None) or ()))
        described.__notes__ = []  # they would come last
        return " ".join([list(described.format_exception_only())[-1].strip(), *notes])
    except Exception:  # noqa: BLE001 - a user's exception can raise when printed
        return type(error).__name__


def shorten(log: Path) -> None:
    """Truncate a file with a training's output to `LOG_BYTES` bytes."""
    note = f"\n(more than {LOG_BYTES:,} bytes: the rest is omitted)\n".encode()
    with suppress(OSError):
        if log.stat().st_size > LOG_BYTES:
            os.truncate(log, LOG_BYTES - len(note))
            with log.open("ab") as file:
                file.write(note)


@contextmanager
def _printed_to(log: Path) -> Iterator[None]:
    """Send the output of this process and its children to a file."""
    with (
        _one_at_a_time,
        log.open("a", buffering=1, encoding="utf-8", errors="replace") as file,
    ):
        _flush()
        with redirect_stdout(file), redirect_stderr(file), ExitStack() as stack:
            for stream in (0, 1, 2):
                stack.callback(_given_back, stream, _copied(stream))
                if stream:
                    os.dup2(file.fileno(), stream)
            stack.callback(_flush)
            yield


def _given_back(stream: int, copy: int | None) -> None:
    if copy is None:
        os.close(stream)
    else:
        os.dup2(copy, stream)
        os.close(copy)


def _copied(stream: int) -> int | None:
    try:
        return os.dup(stream)
    except OSError:  # closed
        return None


def _flush() -> None:
    """Flush the buffers of Python and of the C library."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    if sys.platform != "win32":
        ctypes.CDLL(None).fflush(None)


class CommandTraining:
    """A training function that runs a command. The command prints a line of JSON for
    every epoch.
    """

    def __init__(self, command: str, positions: Sequence[str]) -> None:
        """Parse a command with placeholders such as ``{cell}``, or positions of the space.

        Raises:
            UserError: The command cannot be parsed or does not exist, or a placeholder is unknown.
        """
        try:
            self.words = shlex.split(command)
        except ValueError as error:
            raise UserError(
                f"The command {command!r:.200} cannot be parsed: {error}."
            ) from error
        if not self.words or shutil.which(self.words[0]) is None:
            raise UserError(f"There is no command {(self.words or [''])[0]!r:.80}.")
        placeholders = {*_OF_A_TRIAL, *positions}
        for word in self.words:
            for name in _PLACEHOLDER.findall(word):
                if name not in placeholders:
                    raise unknown("placeholder of a command", name, placeholders)

    @property
    def files(self) -> list[Path]:
        """Paths of the files that the command names."""
        return [path for word in self.words if (path := Path(word)).is_file()]

    def __call__(self, cell: Cell, trial: TrainingTrial) -> None:
        """Start the command, process its reports, and wait for its end."""
        from surrogate_nas.runtime.command import Lines

        of_trial = {name: getattr(trial, name) for name in _OF_A_TRIAL[1:]}
        values = {**trial.options, "cell": cell.text, **of_trial}
        words = [
            _PLACEHOLDER.sub(lambda m: option_text(values[m[1]]), word)
            for word in self.words
        ]
        begun = trial.log.stat().st_size if trial.log.exists() else 0
        printed = deque[bytes](maxlen=1000)
        variables = dict.fromkeys(VARIABLES, str(trial.threads))
        with trial.log.open("ab") as errors:
            command = Lines(words, errors, variables)
        how = ""
        try:
            while not how:
                line = command.line(_LOOK_SECONDS) if command.is_open else b""
                _take(line, trial, printed)
                if not line:
                    how = command.ended(0.0 if command.is_open else _LOOK_SECONDS)
            while line := command.line(0.05):
                _take(line, trial, printed)
        finally:
            command.end(_PATIENCE_SECONDS)
        if how != "ended with exit code 0":
            with trial.log.open("rb") as file:
                file.seek(begun)
                lines = [line.strip() for line in file.read().splitlines()]
            last_lines = [line for line in lines if line and line not in printed][-1:]
            why = b": ".join([b"", *last_lines]).decode(errors="replace")
            cause: Cause = "resources" if "memory ran out" in how else "broken"
            raise EvaluationError(f"it {how}{why}", cause)


_OF_A_TRIAL = (
    "cell",
    "epochs",
    "longest",
    "start",
    "seed",
    "folder",
    "device",
    "threads",
)


def _take(line: bytes, trial: TrainingTrial, printed: deque[bytes]) -> None:
    """Process a report, or store a line of output."""
    report = None
    with suppress(ValueError, RecursionError):
        report = json.loads(line) if line[:1] == b"{" else None
    if isinstance(report, dict) and "epoch" in report:
        trial.report(**report)
    elif line:
        printed.append(line.strip())
        with trial.log.open("ab") as file:
            file.write(line)
        shorten(trial.log)
