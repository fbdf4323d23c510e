"""A user's own training as a benchmark: a space, and a function or a command that trains a cell.

``surrogate_nas.Training(space, train, metrics=["valid_error"], epochs=20)`` in a Python file is
opened as ``file.py:NAME`` on the command line. Every epoch that a training reports is an answer,
and is cached in ``live/`` of the data directory; checkpoint and output are in ``trainings/``.
Nothing is trained twice, even after an interruption. An edited function is another benchmark.
"""

import hashlib
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from surrogate_nas.benchmarks.base import (
    CellLike,
    Measurement,
    Question,
    Values,
    sizes_of,
    untrained,
)
from surrogate_nas.benchmarks.computed import (
    Function,
    OwnBenchmark,
    declared,
    differences,
    with_open_units,
)
from surrogate_nas.benchmarks.computed import Metric as Declared
from surrogate_nas.benchmarks.running import (
    CommandTraining,
    Train,
    TrainingTrial,
    failure,
    run,
)
from surrogate_nas.benchmarks.trained import (
    SECONDS,
    Trained,
    TrainedBenchmark,
    TrainingFolder,
    drop_beyond,
)
from surrogate_nas.core import (
    EvaluationError,
    Metric,
    UserError,
    check_number,
    check_size,
    check_whole,
    checked,
    digest_of_function,
    json_digest,
    unknown,
    with_imports,
)
from surrogate_nas.files import HeldError, home, locked
from surrogate_nas.runtime import worker
from surrogate_nas.space import Cell, Network, Space, cell_given
from surrogate_nas.space.product import ChoiceSpace
from surrogate_nas.tables import Seed

Cost = Callable[[Cell, int], float]
"""Predicts the cost of a training of a cell for so many epochs."""

_COMPUTED = (
    "computed is a mapping of metrics to functions of a cell that return at once."
)
# settings that answers depend on, as they are
_IN_ANSWERS = ("name", "epochs", "stochastic", "device", "threads")
MOST_SEEDS = 1000
"""Seeds of a cell; those beyond a million confirm the winner of a search."""


class Training(OwnBenchmark, TrainedBenchmark):
    """Trains cells by a user's function or command; a query costs the seconds of its training.

    The name of a metric says what it is, as for `surrogate_nas.Computed`. An error or an accuracy
    is in % or a fraction: `surrogate_nas.Metric` declares which. If nothing is declared, the first
    value above 1 shows that it is in %, and a value of 1 or less before it ends the search. On a
    CPU the seconds are the processor's, including child processes; on another device they are those
    of the clock. Epochs are points of one training, which continues from its checkpoint.

    Example:
        >>> import surrogate_nas as sn
        >>> space = sn.ChoiceSpace("mlp", {"width": (16, 64), "depth": (1, 2, 3)})
        >>> def train(cell: sn.Cell, trial: sn.TrainingTrial) -> None:
        ...     for epoch in range(trial.start + 1, trial.epochs + 1):
        ...         error = 40 / epoch + trial.options["depth"]
        ...         trial.report(epoch, valid_error=error)
        >>> bench = Training(space, train, metrics=["valid_error"], epochs=9)
        >>> bench.query("mlp(width=16, depth=2)", "valid_error", epochs=4)
        12.0
    """

    one_curve = True
    runs_apart = True

    @checked
    def __init__(
        self,
        space: Space,
        train: Train | None = None,
        *,
        metrics: Sequence[str] | Mapping[str, Declared],
        epochs: int,
        command: str = "",
        computed: Mapping[str, Function | Declared] | None = None,
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
            space: The space of the cells.
            train: Called with a cell and a `TrainingTrial`, to which it reports every epoch.
            metrics: The metrics that it reports after every epoch: names, or a
                `surrogate_nas.Metric` by name that declares the unit and the direction.
            epochs: The length of a training.
            command: In place of `train`: the command of every training, without a shell.
                ``{cell}``, ``{epochs}``, ``{start}``, ``{longest}``, ``{seed}``, ``{folder}``,
                ``{device}``, ``{threads}`` and the space's positions stand for their values. It
                prints a line such as ``{"epoch": 1, "valid_error": 12.5}`` after every epoch.
            computed: Metrics that follow from the cell: by name a function of a cell that returns
                at once.
            typical: The divisor of a reported cost in an objective, by name.
            stochastic: Whether the seed matters.
            seeds: The number of seeds of a cell. With 1, a search sees seed 0 of every cell. With
                more, it sees one seed of each cell, drawn by run and cell; the incumbent is then
                trained by the other seeds too, which is not charged, and its mean is reported.
            cost: The predicted cost of a training, by cell and epochs, in any unit; it orders
                parallel trainings. By default multiply-adds times epochs, or epochs.
            device: The device, as the function names it.
            threads: The number of threads that a training uses.
            checkpoints: The most that checkpoints may take on the disk, such as ``10GB``. Beyond,
                checkpoints with all epochs are removed first, then the least recently used. A cell
                without a checkpoint is trained from scratch, and charged.
            longest: The most seconds of a training in a search, by the wall clock; None for no
                limit.
            silence: The most seconds between two reports of a training in a search, by the wall
                clock; None for no limit.
            name: The benchmark's name; by default the space's.
            title: One line saying what it trains.
            network: The macro architecture behind the space's own sizes, if it has any.

        Raises:
            UserError: An argument is missing or invalid.
        """
        given = locals()
        if (train is None) == (not command):
            raise UserError(
                "A training is a function of a cell and a trial, or a command: give one of them."
            )
        reported = declared(metrics, "metrics")
        if not isinstance(computed, Mapping | None):
            raise UserError(_COMPUTED)
        from_cells = declared(computed or {}, "computed")
        self._take(given, "trainings", {**reported, **from_cells}, {*reported, SECONDS})
        self.open_units = with_open_units(reported)
        self.source = "trained here by the user's code"
        self.epochs = check_whole("The number of epochs", epochs, 1, 100_000)
        self._every = tuple(range(1, self.epochs + 1))
        self.device = device
        self.threads = check_whole("The number of threads", threads, 1)
        self.longest_seconds, self.longest_silence = (
            None
            if given[limit] is None
            else check_number(limit, given[limit], above=True)
            for limit in ("longest", "silence")
        )
        self.stochastic = stochastic
        self._n_seeds = check_whole("The number of seeds", seeds, 1, MOST_SEEDS)
        if self._n_seeds > 1:
            if not stochastic:
                raise UserError(
                    "Where the seed does not matter (stochastic=False), there is one."
                )
            self.default_seed, self.seed_policy = "mean", "draw"
        unit, clock = ("processor",) * 2 if self.on_cpu else ("device", "wall-clock")
        self.charge = (
            f"An evaluation is charged the {unit}'s seconds of its training, also where the answer"
            " was kept from before; training on costs the difference."
        )
        self.file_name = self.name
        self._doing: Train = train or CommandTraining(
            command, space.positions if isinstance(space, ChoiceSpace) else ()
        )
        self._cost = cost
        self._most_bytes = check_size("The size of all checkpoints", checkpoints)
        self.reported = self._named(reported, from_cells)
        self._typical = self._divisors(typical or {})
        own = {
            n: metric.named(n, source=self.source) for n, metric in from_cells.items()
        }
        named = {**self.reported, **own}
        how = f"{clock} time of the first n epochs, as the training took it"
        record = Metric(
            SECONDS, "s", "record", "cost", self._every, "train", how, self.source
        )
        records = [] if SECONDS in named else [record]
        self._describe((*named.values(), *sizes_of(space, named), *records))
        # bytes of checkpoints since all were looked at
        self._unseen_bytes = math.inf

    def _named(
        self, reported: Mapping[str, Declared], computed: Mapping[str, Declared]
    ) -> dict[str, Metric]:
        """Return the reported metrics by name, each after every epoch."""
        if not reported:
            raise UserError(
                "A training needs a metric that it reports, such as 'valid_error'."
            )
        if any(metric.function is None for metric in computed.values()):
            raise UserError(_COMPUTED)
        for name in reported.keys() & computed.keys():
            raise UserError(
                f"{name} is there twice; a metric is reported or computed, once."
            )
        metrics = {}
        for name, metric in reported.items():
            if metric.function is not None:
                raise UserError(
                    f"{name} is reported by the training, so it takes no function; a metric that"
                    " follows from the cell stands in `computed`."
                )
            how = "as the training reports it"
            plain = metric.named(name, source=self.source, description=how)
            if plain.quantity == "proxy":
                raise UserError(
                    f"{name} names a score without training; a training reports others."
                )
            metrics[name] = replace(plain, epochs=self._every)
        return metrics

    def _divisors(self, typical: Mapping[str, float]) -> dict[str, float]:
        if not isinstance(typical, Mapping):
            raise UserError(
                f"typical is a mapping of reported costs to numbers, not {typical!r:.80}."
            )
        costs = [name for name, metric in self.reported.items() if not metric.is_loss]
        for name in typical:
            if name not in costs:
                raise unknown("reported cost among those of `typical`", name, costs)
        return {
            name: check_number(f"The typical {name}", value, above=True)
            for name, value in typical.items()
        }

    def _digest(self) -> tuple[object, str]:
        doing = self._doing
        computed = {
            name: digest_of_function(f, self) for name, f in self._functions.items()
        }
        settings = {
            **{key: getattr(self, key) for key in _IN_ANSWERS},
            "space": self.space.definition,
            "metrics": sorted(self.reported),
            "typical": self._typical,
            "known": computed,
            "code": (
                [doing.words, list(map(_content, doing.files))]
                if isinstance(doing, CommandTraining)
                else digest_of_function(doing, self)
            ),
        }
        if changed := differences(self._own):
            settings["declared"] = changed
        return doing, json_digest(settings)

    @property
    def folder(self) -> Path:
        """Where the folders of its trainings are."""
        return home() / "trainings" / self._label

    def folder_of(self, cell: Cell, training_seed: int = 0) -> Path:
        """Return the folder of a training: its checkpoint, ``log.txt`` and ``reports.jsonl``."""
        digest = hashlib.sha256(cell.text.encode()).hexdigest()[:16]
        return self.folder / f"{digest}-{self._number(training_seed)}"

    def checkpoint(self, cell: CellLike, training_seed: int | None = None) -> Path:
        """Return the folder with the files that the training of a cell saved last.

        Args:
            cell: The cell, its text, its options, or its index.
            training_seed: The seed of the training; None for the lowest with a checkpoint.

        Raises:
            UserError: There is no checkpoint.
        """
        named = cell_given(self.space, cell)
        seeds = range(self._n_seeds) if training_seed is None else (training_seed,)
        for seed in seeds:
            training_folder = TrainingFolder(self.folder_of(named, seed))
            if name := training_folder.held().checkpoint:
                return training_folder.path / name
        raise UserError(
            f"There is no checkpoint of {named}: no training of it has ended, it saved no file in"
            " trial.folder, or its checkpoint was removed for want of room (checkpoints=)."
        )

    def _number(self, seed: Seed) -> int:
        return super()._number(seed) if self.stochastic else 0

    def measure(
        self,
        cells: Sequence[Cell],
        questions: Sequence[Question],
        training_seed: Seed = 0,
    ) -> Measurement:
        """Answer from what was reported before, and train the rest in this process.

        The mean is over all seeds, and its cost that of all their trainings.
        """
        measure = super().measure
        if training_seed != "mean" or self._n_seeds == 1:
            return measure(cells, questions, training_seed)
        answers = [measure(cells, questions, number) for number in range(self._n_seeds)]
        values = np.mean([answer.values for answer in answers], axis=0)
        return Measurement(values, np.sum([answer.cost for answer in answers], axis=0))

    def _untrained(self, metric: str, cells: Sequence[Cell]) -> Values:
        with self.files.heard():
            return self._values(metric, cells)

    def _trained(
        self, cell: Cell, epochs: Sequence[int], seed: int
    ) -> dict[int, Trained]:
        answers = self._cached_answers(cell, epochs, seed)
        if len(answers) == len(epochs):
            return answers
        training_folder = TrainingFolder(self.folder_of(cell, seed))
        try:
            training_folder.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"Cannot write {training_folder.path}: {error.strerror or error}."
            ) from error
        with _alone(training_folder.path, f"the training of {cell} with seed {seed}"):
            # by another process, meanwhile
            answers = self._cached_answers(cell, epochs, seed)
            if missing := [length for length in epochs if length not in answers]:
                self._continue(training_folder, cell, missing, seed)
                answers = self._cached_answers(cell, epochs, seed)
        self._unseen_bytes += training_folder.held().bytes
        if self._unseen_bytes > self._most_bytes * 0.05:  # to look at all takes time
            drop_beyond(
                self.folder, self._most_bytes, self.epochs, training_folder.path
            )
            self._unseen_bytes = 0.0
        return answers

    def _continue(
        self,
        training_folder: TrainingFolder,
        cell: Cell,
        missing: Sequence[int],
        seed: int,
    ) -> None:
        """Train to the last of some epochs, from the checkpoint if that lies before the first."""
        state = training_folder.resumable(missing[0])
        try:
            trial = TrainingTrial(self, cell, training_folder, state, missing[-1], seed)
        except (OSError, UserError) as error:
            raise EvaluationError(
                f"{training_folder.path} cannot be written: {error}"
            ) from error
        try:
            with self.files.heard():
                run(self._doing, cell, trial)
            try:
                curve = {
                    (cell.text, epoch, seed): at for epoch, at in trial.curve.items()
                }
                self.cache.add_all(curve, self._made_with)
                last = trial.curve[trial.done]
                training_folder.keep(trial.done, last.seconds, last.curve)
            except (OSError, UserError) as error:
                raise failure(error, trial) from error
        finally:
            training_folder.discard()

    def shows_percent(self, metric: str) -> bool:
        """Return whether a stored training reported a value above 1."""
        return self.cache.exceeds(metric, 1.0)

    def continued(
        self,
        cell: Cell,
        since: int,
        epochs: int,
        metrics: Sequence[str] = (),
        *,
        training_seed: Seed | None = None,
    ) -> float:
        """Return the seconds of training a cell on: of all epochs, if its checkpoint was gone.

        Raises:
            UserError: No such training is recorded.
        """
        training_seed = self.default_seed if training_seed is None else training_seed
        if training_seed == "mean":
            seeds = range(self._n_seeds)
            return sum(
                self.continued(cell, since, epochs, training_seed=number)
                for number in seeds
            )
        answers = self._cached_answers(
            cell, (since, epochs), self._number(training_seed)
        )
        if epochs not in answers:
            raise UserError(
                f"No training of {cell} for {epochs} epochs is in {self.cache.path}."
            )
        last = answers[epochs]
        if since not in answers or answers[since].curve != last.curve:
            return last.seconds
        return max(last.seconds - answers[since].seconds, 0.0)

    def seeds(self, question: Question) -> tuple[int, ...]:
        """Return the seeds that a search may see of a cell; empty if it always sees the same."""
        is_drawn = self._n_seeds > 1 and question.epochs is not None
        return tuple(range(self._n_seeds)) if is_drawn else ()

    def reference_sample(self, question: Question) -> Sequence[Cell]:
        """Return the cells of a computed metric's median; none for a reported one."""
        return () if self.is_expensive(question.metric) else self.space.reference_sample

    def _scale_of_cost(self, metric: Metric) -> tuple[float, float]:
        if metric.name not in self._typical:
            raise UserError(
                f"{metric.name} is known after a training only, so nobody knows its median over the"
                f" space: say what divides it, as in typical={{{metric.name!r}: 20}}."
            )
        return self._typical[metric.name], 1e3 * self._typical[metric.name]

    def predicted_cost(self, cell: Cell, epochs: int | None) -> float:
        """Return the user's own cost; else multiply-adds times epochs, or epochs.

        Raises:
            UserError: The user's function fails, or gives no number.
        """
        if epochs is None:
            return super().predicted_cost(cell, epochs)
        if self._cost is not None:
            try:
                return check_number(f"The cost of {cell}", self._cost(cell, epochs))
            except Exception as error:
                kind = (
                    "" if isinstance(error, UserError) else f"{type(error).__name__}: "
                )
                what = f"cost of {self.name} fails for {cell}: {kind}{error}"
                raise UserError(what) from error
        if "macs" not in untrained(self.space):
            return float(epochs)
        # what a training costs beside its epochs, in millions of multiply-adds
        return float(self._untrained("macs", [cell])[0]) * epochs + 1.0


@contextmanager
def _alone(folder: Path, what: str) -> Iterator[None]:
    """Lock a training's folder; report signs of life while another process trains there."""
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(locked(folder, what=what, wait=False))
                break
            except HeldError:
                worker.alive()
                time.sleep(0.05)
        yield


def _content(file: Path) -> Any:
    if file.suffix == ".py":
        return dict(with_imports(file))
    return [file.name, hashlib.sha256(file.read_bytes()).hexdigest()]
