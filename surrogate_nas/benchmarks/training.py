"""A user's own training as a benchmark: a space, and a function or a command that trains a cell.

``surrogate_nas.Training(space, train, metrics=["valid_error"], epochs=20)`` in a Python file is
opened as ``file.py:NAME`` on the command line. Every epoch that a training reports is an answer,
and is kept in ``live/`` of the home folder; its checkpoint and its output are in ``trainings/``. So
a strategy that looks early (`asha`, `hyperband`, `bohb`) trains on where it stopped, and nothing is
trained twice, even after an interruption. An edited function is another benchmark.
"""

from __future__ import annotations

import hashlib
import math
import platform
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from surrogate_nas.benchmarks.base import (
    Applied,
    Benchmark,
    Formula,
    Free,
    Measurement,
    Question,
    Values,
    lengths_of,
)
from surrogate_nas.benchmarks.cache import AnswerCache, Key, Trained
from surrogate_nas.benchmarks.checkpoints import Held, TrainingFolder, drop_beyond
from surrogate_nas.benchmarks.computed import changed_meanwhile, opened_again
from surrogate_nas.benchmarks.declared import (
    Function,
    declared,
    differences,
    with_open_units,
    worst_of,
)
from surrogate_nas.benchmarks.declared import Metric as Declared
from surrogate_nas.benchmarks.proxies import sizes_of, untrained
from surrogate_nas.benchmarks.reading import FilesRead, folder_of
from surrogate_nas.benchmarks.running import (
    CommandTraining,
    RunningTrial,
    Train,
    failure,
    run,
    say_that_it_lives,
)
from surrogate_nas.core.arguments import check_number, check_size, check_whole, checked
from surrogate_nas.core.captured import digest_of_function
from surrogate_nas.core.digests import json_digest
from surrogate_nas.core.errors import EvaluationError, UserError, unknown
from surrogate_nas.core.metrics import Metric
from surrogate_nas.core.source import with_imports
from surrogate_nas.core.version import __version__
from surrogate_nas.files import HeldError, home, locked
from surrogate_nas.files.opened import Opened
from surrogate_nas.space import Cell, Space
from surrogate_nas.space.network import Network
from surrogate_nas.space.product import ChoiceSpace
from surrogate_nas.tables import Seed

Cost = Callable[[Cell, int], float]
"""What a training of a cell for so many epochs costs, roughly."""

SECONDS = "train_seconds"
"""The record of what a training took until an epoch, which a table of it charges."""
_DEARER = 1e3
"""How many times its typical value no cell is thought to reach of a reported cost."""
_MOST_EPOCHS = 100_000
MOST_SEEDS = 1000
"""Seeds of a cell; those beyond a million confirm the winner of a search."""
_SHORT = 16
_WAIT_SECONDS = 0.05
_UNSEEN = 0.05
"""After how large a share of what checkpoints may take all are looked at."""
_OVERHEAD = 1.0
"""What a training costs beside its epochs, in millions of multiply-adds."""


class Training(Benchmark):
    """Trains cells by a user's function or command; a query costs the seconds of its training.

    The name of a metric says what it is, as for `surrogate_nas.Computed`. An error or an accuracy
    is in % or a fraction: `surrogate_nas.Metric` declares which. Where nothing is declared, the
    first value above 1 shows that it is in %, and a value of 1 or less that comes before ends the
    search at once, before it is stored. On a CPU the seconds
    are the processor's, those of child processes included, so that other load costs nothing; on
    another device they pass on the clock. Epochs are points of one training: looking after fewer
    and going on later costs as much as going there at once, if the function saves checkpoints.

    Attributes:
        imported: The files that were opened when the user's file was imported, or None.

    Example:
        >>> import surrogate_nas as sn
        >>> space = sn.ChoiceSpace("mlp", {"width": ("16", "64"), "depth": ("1", "2", "3")})
        >>> def train(cell, trial):
        ...     for epoch in range(trial.start + 1, trial.epochs + 1):
        ...         error = 40 / epoch + int(trial.options["depth"])
        ...         trial.report(epoch, valid_error=error)
        >>> bench = Training(space, train, metrics=["valid_error"], epochs=9)
        >>> bench.query("mlp(width=16, depth=2)", "valid_error", epochs=4)
        12.0
    """

    cost = "seconds"
    banner = ""
    default_seed: Seed = 0
    one_by_one = True
    one_curve = True
    runs_apart = True
    keeps_answers = True
    imported: Opened | None = None

    @checked
    def __init__(
        self,
        space: Space,
        train: Train | None = None,
        *,
        metrics: Sequence[str] | Mapping[str, Declared],
        epochs: int,
        command: str = "",
        known: Mapping[str, Function | Declared] | None = None,
        typical: Mapping[str, float] | None = None,
        stochastic: bool = True,
        seeds: int = 1,
        cost: Cost | None = None,
        device: str = "cpu",
        threads: int = 1,
        checkpoints: str = "10GB",
        longest: float | None = None,
        silence: float | None = None,
        name: str = "",
        title: str = "",
        network: Network | None = None,
    ) -> None:
        """Take the function or the command; nothing is trained yet.

        Args:
            space: Whose cells are trained.
            train: Called with a cell and a `RunningTrial`, which it reports every epoch to.
            metrics: What it reports after every epoch: names, or by name a `surrogate_nas.Metric`
                that declares the unit and the direction.
            epochs: The length of a training.
            command: In place of `train`: what is started for every training, without a shell.
                ``{cell}``, ``{epochs}``, ``{start}``, ``{longest}``, ``{seed}``, ``{folder}``,
                ``{device}``, ``{threads}`` and the space's positions stand for their values. It
                prints a line such as ``{"epoch": 1, "valid_error": 12.5}`` after every epoch.
            known: Metrics that follow from the cell, such as its number of parameters: by name a
                function of a cell that returns at once.
            typical: By name of a reported cost, what divides it in an objective. Its median over
                the space would take many trainings.
            stochastic: Whether the seed matters; False where it gives the same answer for any.
            seeds: How many seeds of a cell may be asked for. With 1, a search sees seed 0 of every
                cell, which is also what is reported. With more, it sees one seed of each cell,
                drawn by run and cell, so that no strategy can learn a seed's luck; what the search
                has found is then trained by the other seeds too, which is not charged to its
                budget, and reported by the mean over all of them.
            cost: What a training costs, by cell and epochs, in a unit of its own; it orders
                trainings that run side by side. By default multiply-adds times epochs, or epochs.
            device: What it trains on, as the function names it.
            threads: How many threads it uses.
            checkpoints: The most that checkpoints may take on the disk, such as ``10GB``; beyond,
                those are removed that have all epochs, then those that were not used for longest. A
                cell without one is trained anew, and charged.
            longest: The most seconds that a training may take in a search, by the wall clock. Other
                load counts, so leave room for it. None for no limit: a training that hangs then
                holds its worker for ever, unless `silence` ends it.
            silence: The most seconds between two reports of a training in a search, by the wall
                clock; None for no limit.
            name: The benchmark's name; the space's if left out.
            title: One line saying what it trains.
            network: The macro architecture behind the space's own sizes, where it has any.

        Raises:
            UserError: There is no space, no metric or nothing that trains, or one of the others is
                not what it should be.
        """
        if not isinstance(space, Space):
            raise UserError(
                f"A training needs a space, such as a surrogate_nas.ChoiceSpace, not {space!r:.80}."
            )
        if (train is None) == (not command):
            raise UserError(
                "A training is a function of a cell and a trial, or a command: give one of them."
            )
        self.space = space
        self.network = network or Network()
        self.epochs = check_whole("The number of epochs", epochs, 1, _MOST_EPOCHS)
        self.device = device
        self.threads = check_whole("The number of threads", threads, 1)
        self.longest_seconds = _limit("longest", longest)
        self.longest_silence = _limit("silence", silence)
        self.stochastic = stochastic
        self._n_seeds = check_whole("The number of seeds", seeds, 1, MOST_SEEDS)
        if self._n_seeds > 1:
            if not stochastic:
                raise UserError("Where the seed does not matter (stochastic=False), there is one.")
            self.default_seed = "mean"
            self.seed_policy = "draw"
        self.name = name or space.name
        self.title = title or f"trainings of {space.name}"
        self.source = "trained here by the user's code"
        self.licence = self.citation = "the user's own"
        clock = "processor's" if self._on_cpu else "device's"
        self.charge = (
            f"An evaluation is charged the {clock} seconds of its training, also where the answer"
            " was kept from before; training on costs the difference."
        )
        self._train = train
        self._command = command
        self._doing: Train = CommandTraining(command, _positions(space)) if train is None else train
        self._cost = cost
        self._checkpoints = checkpoints
        self._most_bytes = check_size("The size of all checkpoints", checkpoints)
        self._own = declared(metrics, "metrics")
        self._own_known = _with_functions(known)
        self.open_units = with_open_units(self._own)
        self._known = {
            name: one.function for name, one in self._own_known.items() if one.function is not None
        }
        self._reported = self._named()
        self._typical = self._divisors(typical or {})
        own = [one.named(name, source=self.source) for name, one in self._own_known.items()]
        taken = {*self._reported, *self._known}
        records = [] if SECONDS in taken else [self._seconds()]
        self.metrics = (*self._reported.values(), *own, *sizes_of(space, taken), *records)
        losses = [m.name for m in self.metrics if m.kind == "search" and m.is_loss]
        self.objective = losses[0] if losses else ""
        self._asked: dict[str, int] = {}
        self._cache: AnswerCache | None = None
        self._unseen_bytes = math.inf
        """Bytes of checkpoints since all were looked at."""

    @property
    def _on_cpu(self) -> bool:
        return self.device.partition(":")[0] == "cpu"

    def _named(self) -> dict[str, Metric]:
        """The reported metrics by name, each after every epoch."""
        if not self._own:
            raise UserError("A training needs a metric that it reports, such as 'valid_error'.")
        every = tuple(range(1, self.epochs + 1))
        metrics = {}
        for name, one in self._own.items():
            if name in self._known:
                raise UserError(f"{name} is there twice; a metric is reported or known, once.")
            if one.function is not None:
                raise UserError(
                    f"{name} is reported by the training, so it takes no function; a metric that"
                    " follows from the cell stands in `known`."
                )
            plain = one.named(name, source=self.source, description="as the training reports it")
            if plain.quantity == "proxy":
                raise UserError(
                    f"{name} names a score without training; a training reports others."
                )
            metrics[name] = replace(plain, epochs=every)
        return metrics

    def _seconds(self) -> Metric:
        """What a training took from its first epoch on."""
        clock = "processor" if self._on_cpu else "wall-clock"
        return Metric(
            SECONDS,
            "s",
            "record",
            "cost",
            tuple(range(1, self.epochs + 1)),
            "train",
            f"{clock} time of the first n epochs, as the training took it",
            self.source,
        )

    def _divisors(self, typical: Mapping[str, float]) -> dict[str, float]:
        """What divides reported costs, by their names."""
        if not isinstance(typical, Mapping):
            raise UserError(
                f"typical is a mapping of reported costs to numbers, not {typical!r:.80}."
            )
        costs = [name for name, metric in self._reported.items() if not metric.is_loss]
        for name in typical:
            if name not in costs:
                raise unknown("reported cost among those of `typical`", name, costs)
        return {
            name: check_number(f"The typical {name}", value, above=True)
            for name, value in typical.items()
        }

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        if self.address:  # the file is read again, so that its functions need not be picklable
            return _opened_again, (self.address, self.fingerprint, self._n_seeds)
        settings = {
            "metrics": self._own,
            "epochs": self.epochs,
            "command": self._command,
            "known": self._own_known,
            "typical": self._typical,
            "stochastic": self.stochastic,
            "seeds": self._n_seeds,
            "cost": self._cost,
            "device": self.device,
            "threads": self.threads,
            "checkpoints": self._checkpoints,
            "longest": self.longest_seconds,
            "silence": self.longest_silence,
            "name": self.name,
            "title": self.title,
            "network": self.network,
        }
        return _elsewhere, (self.space, self._train, settings, self.files)

    @cached_property
    def fingerprint(self) -> str:
        """A digest of the space, the settings, and the source of functions or of a command, with
        the values that functions take from around them, and the files that they read.
        """
        return self.files.fingerprint

    @cached_property
    def files(self) -> FilesRead:
        """The files in the folder of its functions that they read."""
        settings = {
            "name": self.name,
            "space": self.space.definition,
            "metrics": sorted(self._reported),
            "epochs": self.epochs,
            "stochastic": self.stochastic,
            "device": self.device,
            "threads": self.threads,
            "typical": self._typical,
            "known": {name: digest_of_function(one, self) for name, one in self._known.items()},
            "code": self._code(),
        }
        if changed := differences({**self._own, **self._own_known}):
            settings["declared"] = changed
        return FilesRead(folder_of(self._doing), json_digest(settings), self.imported)

    def _code(self) -> Any:
        if self._train is not None:
            return digest_of_function(self._train, self)
        assert isinstance(self._doing, CommandTraining)
        return [self._doing.words, [_content(file) for file in self._doing.files]]

    @property
    def _label(self) -> str:
        name = "".join(c if c.isalnum() else "-" for c in self.name)[:60]
        return f"{name}-{self.fingerprint[:_SHORT]}"

    @property
    def cache(self) -> AnswerCache:
        """The answers of all trainings by this code: one for every epoch that was reported."""
        path = home() / "live" / f"{self._label}.sqlite"
        if self._cache is None or self._cache.path != path:
            self._cache = AnswerCache(path)
        return self._cache

    @property
    def folder(self) -> Path:
        """Where the folders of its trainings are."""
        return home() / "trainings" / self._label

    def folder_of(self, cell: Cell, seed: int = 0) -> Path:
        """The folder of a training: its checkpoint, ``log.txt`` and ``reports.jsonl``.

        Args:
            cell: A cell of `space`.
            seed: The training's seed.
        """
        digest = hashlib.sha256(cell.text.encode()).hexdigest()[:_SHORT]
        return self.folder / f"{digest}-{self._seed(seed)}"

    def reports_of(self, cell: Cell, seed: Seed) -> Path | None:
        """The file in which a training of a cell reports its epochs while it runs."""
        number = seed if isinstance(seed, int) else 0
        return self.folder_of(cell, number) / "reports.jsonl"

    def _seed(self, seed: Seed) -> int:
        """The seed of a training; always the same one where seeds do not matter."""
        if not self.stochastic:
            return 0
        if isinstance(seed, str):
            raise UserError(f"{self.name} trains one seed at a time; name a number, not the mean.")
        return int(seed)

    def measure(
        self,
        cells: Sequence[Cell],
        questions: Sequence[Question],
        seed: Seed = 0,
    ) -> Measurement:
        """Answer from what was reported before, and train the rest in this process.

        The mean is over all seeds, and its cost that of all their trainings.

        Raises:
            EvaluationError: A training fails.
            UserError: There is one seed and the mean is asked for, or the home folder cannot be
                written.
        """
        if seed == "mean" and self._n_seeds > 1:
            each = [self.measure(cells, questions, one) for one in range(self._n_seeds)]
            values = np.mean([one.values for one in each], axis=0)
            return Measurement(values, np.sum([one.cost for one in each], axis=0))
        number = self._seed(seed)
        epochs = lengths_of(questions)
        values = np.empty((len(cells), len(questions)))
        cost = np.zeros(len(cells))
        for j, question in enumerate(questions):
            if question.epochs is None:
                values[:, j] = self._untrained(question.metric, cells)
        for i, cell in enumerate(cells):
            if not epochs:
                break
            curve = self._trained(cell, epochs, number)
            for j, question in enumerate(questions):
                if question.epochs is not None:
                    values[i, j] = _value(curve[question.epochs], question.metric)
            cost[i] = curve[epochs[-1]].seconds
        return Measurement(values, cost)

    def _untrained(self, metric: str, cells: Sequence[Cell]) -> Values:
        """Metrics that follow from cells, shape ``(n,)``."""
        if metric in self._known:
            with self.files.heard():
                values = [self._known_value(metric, cell) for cell in cells]
            return np.array(values, dtype=np.float64)
        return Formula(self.space, metric, self.network)(cells)

    def _known_value(self, metric: str, cell: Cell) -> float:
        try:
            value = float(self._known[metric](cell))
        except Exception as error:
            raise UserError(
                f"{metric} of {self.name} fails for {cell}: {type(error).__name__}: {error}."
            ) from error
        return check_number(f"{metric} of {cell}", value, -math.inf)

    def _trained(self, cell: Cell, epochs: Sequence[int], seed: int) -> dict[int, Trained]:
        """The answers of a cell after some epochs, trained as far as they are not here."""
        self._asked[cell.text] = seed
        curve, missing = self._found(cell, epochs, seed)
        if not missing:
            return curve
        place = TrainingFolder(self.folder_of(cell, seed))
        try:
            place.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"Cannot write {place.path}: {error.strerror or error}.") from error
        with _alone(place.path, f"the training of {cell} with seed {seed}"):
            curve, missing = self._found(cell, epochs, seed)  # by another process, meanwhile
            if missing:
                self._continue(place, cell, missing, seed)
                curve, _ = self._found(cell, epochs, seed)
        self._unseen_bytes += place.held().bytes
        if self._unseen_bytes > self._most_bytes * _UNSEEN:  # to look at all takes time
            drop_beyond(self.folder, self._most_bytes, self.epochs, place.path)
            self._unseen_bytes = 0.0
        return curve

    def _found(
        self, cell: Cell, epochs: Sequence[int], seed: int
    ) -> tuple[dict[int, Trained], list[int]]:
        """The answers that are here, and the epochs of the others."""
        found = {each: self.cache.find((cell.text, each, seed)) for each in epochs}
        missing = [each for each in epochs if found[each] is None]
        return {each: one for each, one in found.items() if one is not None}, missing

    def _continue(
        self,
        place: TrainingFolder,
        cell: Cell,
        missing: Sequence[int],
        seed: int,
    ) -> None:
        """Train to the last of some epochs, from the checkpoint if that lies before the first."""
        held = place.resumable(missing[0])
        trial = self._begun(place, held, cell, missing[-1], seed)
        try:
            with self.files.heard():
                run(self._doing, cell, trial, place.log)
            self._keep(place, cell, trial, seed)
        finally:
            place.discard()

    def _begun(
        self,
        place: TrainingFolder,
        held: Held,
        cell: Cell,
        epochs: int,
        seed: int,
    ) -> RunningTrial:
        try:
            folder = place.begin(held)
        except (OSError, UserError) as error:
            raise EvaluationError(f"{place.path} cannot be written: {error}") from error
        return RunningTrial(
            held=held,
            epochs=epochs,
            longest=self.epochs,
            seed=seed,
            device=self.device,
            n_threads=self.threads,
            options=_options(self.space, cell),
            metrics=self._reported,
            open_units={name for name in self.open_units if not self.shows_percent(name)},
            place=place,
            folder=folder,
        )

    def _keep(
        self,
        place: TrainingFolder,
        cell: Cell,
        trial: RunningTrial,
        seed: int,
    ) -> None:
        """Keep what was reported, and then the checkpoint: an answer without one costs a training
        at most.
        """
        answers: dict[Key, Trained] = {
            (cell.text, epoch, seed): one for epoch, one in trial.curve.items()
        }
        try:
            self.cache.add_all(answers, _made_with())
            last = trial.curve[trial.done]
            place.keep(trial.done, last.seconds, last.curve)
        except (OSError, UserError) as error:
            raise failure(error, trial, place.log) from error

    def shows_percent(self, metric: str) -> bool:
        """Return whether a stored training reported a value above 1.

        Args:
            metric: Its name.
        """
        return self.cache.exceeds(metric, 1.0)

    def continued(
        self,
        cell: Cell,
        since: int,
        epochs: int,
        metrics: Sequence[str] = (),  # noqa: ARG002 - all are of one training
        *,
        seed: Seed | None = None,
    ) -> float:
        """The seconds of training a cell on, as it was done: all, where its checkpoint was gone.

        Raises:
            UserError: No such training is recorded.
        """
        if seed == "mean":
            each = range(self._n_seeds)
            return sum(self.continued(cell, since, epochs, seed=one) for one in each)
        text = cell.text
        if seed is None:
            seed = self._asked.get(text)
        if seed is None:  # another process trained it
            seed = self.cache.seed_of(text, epochs)
        last = None if seed is None else self.cache.find((text, epochs, seed))
        if seed is None or last is None:
            raise UserError(f"No training of {cell} for {epochs} epochs is in {self.cache.path}.")
        first = self.cache.find((text, since, seed))
        if first is None or first.curve != last.curve:
            return last.seconds
        return max(last.seconds - first.seconds, 0.0)

    def n_seeds(self, cell: Cell, question: Question, seed: Seed) -> int | None:  # noqa: ARG002 - the interface
        """All for the mean, else one, where training plays a part."""
        if question.epochs is None:
            return None
        return self._n_seeds if seed == "mean" else 1

    def seeds(self, question: Question) -> tuple[int, ...]:
        """The seeds that a search may see of a cell; empty where it sees always the same one."""
        is_drawn = self._n_seeds > 1 and question.epochs is not None
        return tuple(range(self._n_seeds)) if is_drawn else ()

    def is_dear(self, metric: str) -> bool:
        """Whether a metric is known by trainings alone."""
        return metric in self._reported or metric == SECONDS

    def reference_sample(self, question: Question) -> Sequence[Cell]:
        """The cells of a known metric's median; none for a reported one."""
        return () if self.is_dear(question.metric) else self.space.reference_sample

    def scale(self, question: Question, seed: Seed = 0) -> tuple[float, float]:
        """Median and worst value of a metric; fixed bounds for a reported one, which is not
        trained.

        Raises:
            UserError: A reported cost has no typical value.
        """
        metric = self.metric(question.metric)
        if not self.is_dear(metric.name):
            return super().scale(question, seed)
        if metric.is_loss:
            return 1.0, worst_of(metric)
        if metric.name not in self._typical:
            raise UserError(
                f"{metric.name} is known after a training only, so nobody knows its median over the"
                f" space: say what divides it, as in typical={{{metric.name!r}: 20}}."
            )
        return self._typical[metric.name], _DEARER * self._typical[metric.name]

    def free(self, question: Question, seed: Seed) -> Free | None:
        """A known metric as a function of cells; None for a reported one."""
        function = self._known.get(question.metric)
        return super().free(question, seed) if function is None else Applied(function)

    def predicted_cost(self, cell: Cell, epochs: int | None) -> float:
        """The user's own cost; else multiply-adds times epochs, or epochs.

        Raises:
            UserError: The user's function fails, or gives no number.
        """
        if epochs is None:
            return super().predicted_cost(cell, epochs)
        if self._cost is None:
            if "macs" not in untrained(self.space):
                return float(epochs)
            return float(self._untrained("macs", [cell])[0]) * epochs + _OVERHEAD
        try:
            value = self._cost(cell, epochs)
        except Exception as error:
            raise UserError(
                f"cost of {self.name} fails for {cell}: {type(error).__name__}: {error}."
            ) from error
        return check_number(f"The cost of {cell}", value)


def _value(trained: Trained, metric: str) -> float:
    """What a training reported, or what it took."""
    return trained.metrics.get(metric, trained.seconds)


@contextmanager
def _alone(folder: Path, what: str) -> Iterator[None]:
    """Hold a training's folder; while another process trains there, this one says that it lives."""
    with ExitStack() as stack:
        is_held = False
        while not is_held:
            try:
                stack.enter_context(locked(folder, what=what, wait=False))
                is_held = True
            except HeldError:
                say_that_it_lives()
                time.sleep(_WAIT_SECONDS)
        yield


def _limit(name: str, seconds: float | None) -> float | None:
    """A limit of a training, checked."""
    return None if seconds is None else check_number(name, seconds, above=True)


def _with_functions(known: object) -> dict[str, Declared]:
    """The metrics that follow from the cell, each with its function."""
    if known is None:
        return {}
    own = declared(known, "known") if isinstance(known, Mapping) else {}
    if not isinstance(known, Mapping) or not all(callable(one.function) for one in own.values()):
        raise UserError("known is a mapping of metrics to functions of a cell that return at once.")
    return own


def _positions(space: Space) -> Sequence[str]:
    return space.positions if isinstance(space, ChoiceSpace) else ()


def _options(space: Space, cell: Cell) -> dict[str, str]:
    """What a cell chooses, by position."""
    if not isinstance(space, ChoiceSpace):
        return {}
    return {
        position: options[choice]
        for position, options, choice in zip(
            space.positions, space.options, cell.choices, strict=True
        )
    }


def _content(file: Path) -> Any:
    """What tells a file of a command from another one."""
    if file.suffix == ".py":
        return dict(with_imports(file))
    return [file.name, hashlib.sha256(file.read_bytes()).hexdigest()]


def _made_with() -> dict[str, str]:
    """What is noted beside answers."""
    made_with = {"surrogate_nas": __version__, "python": platform.python_version()}
    for library in ("torch", "jax", "tensorflow"):
        if library in sys.modules:
            made_with[library] = metadata.version(library)
    return made_with


def _opened_again(address: str, fingerprint: str, seeds: int) -> Benchmark:
    """The same in another process, from a file that is as it was."""
    benchmark = opened_again(address, fingerprint)
    if not isinstance(benchmark, Training) or benchmark._n_seeds != seeds:
        raise changed_meanwhile(address)
    return benchmark


def _elsewhere(
    space: Space,
    train: Train | None,
    settings: dict[str, Any],
    files: FilesRead,
) -> Training:
    """The same in another process, where the source of functions may not be found."""
    benchmark = Training(space, train, **settings)
    benchmark.__dict__["files"] = files
    return benchmark
