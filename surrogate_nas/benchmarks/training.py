"""User-defined trainings as benchmarks. The user supplies a search space, and a function or a
command that trains a cell.

If a Python file defines ``NAME = surrogate_nas.Training(space, train, metrics=["valid_error"],
epochs=20)``, the command line opens the benchmark as ``FILE.py:NAME``. The metrics of every
reported epoch are cached in the folder ``live/`` of the data directory. The checkpoint and the
output of a training are in the folder ``trainings/``. No epoch is trained twice, even after an
interruption. If the user edits the training function, it counts as a different benchmark.
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
"""A function of a cell and a number of epochs that predicts the cost of the training."""

_COMPUTED = "computed must be a mapping of metrics to fast functions of a cell."
# settings that answers depend on, as they are
_IN_ANSWERS = ("name", "epochs", "stochastic", "device", "threads")
MOST_SEEDS = 1000
"""The maximum number of seeds of a cell. Seeds above a million confirm the winner of a search."""


class Training(OwnBenchmark, TrainedBenchmark):
    """A benchmark that calls a user's function or command to train a cell.

    A query costs the seconds of its training. Seconds are processor time on a CPU, including child
    processes, and wall-clock time on any other device. A cell has one training per seed, which
    continues from its checkpoint when more epochs are requested.

    The type of a metric follows from the metric's name, as for `surrogate_nas.Computed`. The unit
    of an error or an accuracy is % or a fraction. Use `surrogate_nas.Metric` to declare a metric's
    unit. Without a declared unit, the first value above 1 shows that the unit is %. If a value of 1
    or less is reported earlier, the search ends with an error.

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
        """Define the benchmark by its space and a function or command, without training.

        Args:
            space: The space of the cells.
            train: A function of a cell and a `TrainingTrial`, to which it reports every epoch.
            metrics: The metrics that it reports after every epoch: names, or a mapping from names
                to `surrogate_nas.Metric`, which declares unit and direction.
            epochs: The number of epochs of a full training.
            command: The command of every training, instead of `train`. It runs without a shell.
                ``{cell}``, ``{epochs}``, ``{start}``, ``{longest}``, ``{seed}``, ``{folder}``,
                ``{device}``, ``{threads}`` and the space's positions are replaced by their values.
                It must print a line such as ``{"epoch": 1, "valid_error": 12.5}`` after every
                epoch.
            computed: Metrics without training: fast functions of a cell by name.
            typical: The divisors of reported costs in an objective, by name.
            stochastic: Whether results depend on the seed.
            seeds: The number of seeds of a cell. With 1, a search uses seed 0 of every cell. With
                more, it uses one seed per cell, chosen at random by run and cell. The incumbent is
                then also trained with the other seeds, free of charge, and its mean is reported.
            cost: A function of cell and epochs that predicts the cost of a training in any unit. It
                orders parallel trainings. By default, it is multiply-adds times epochs, or epochs.
            device: The device, as the function names it.
            threads: The number of threads that a training uses.
            checkpoints: The maximum size of all checkpoints on the disk, such as ``10GB``. Above
                it, checkpoints of full trainings are removed first, then the least recently used.
                A cell without a checkpoint is trained from scratch, and charged.
            longest: The maximum wall-clock seconds of a training in a search; None for no limit.
            silence: The maximum wall-clock seconds between two reports of a training in a search;
                None for no limit.
            name: The benchmark's name; by default that of the space.
            title: A description in one line.
            network: The macro architecture from which the space computes sizes, if it does.

        Raises:
            UserError: An argument is missing or invalid.
        """
        given = locals()
        if (train is None) == (not command):
            raise UserError(
                "A training needs either a function of a cell and a trial, or a command."
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
                raise UserError("With stochastic=False, the number of seeds must be 1.")
            self.default_seed, self.seed_policy = "mean", "draw"
        unit, clock = ("processor",) * 2 if self.on_cpu else ("device", "wall-clock")
        self.charge = (
            f"An evaluation is charged the {unit}'s seconds of its training, even if the result was"
            " cached; continuing a training costs the difference."
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
                "A training needs at least one reported metric, such as 'valid_error'."
            )
        if any(metric.function is None for metric in computed.values()):
            raise UserError(_COMPUTED)
        for name in reported.keys() & computed.keys():
            raise UserError(
                f"{name} is both in metrics and in computed; a metric is either reported or"
                " computed."
            )
        metrics = {}
        for name, metric in reported.items():
            if metric.function is not None:
                raise UserError(
                    f"{name} is reported by the training, so it takes no function; pass a metric"
                    " that is a function of the cell in `computed`."
                )
            how = "as the training reports it"
            plain = metric.named(name, source=self.source, description=how)
            if plain.quantity == "proxy":
                raise UserError(
                    f"{name} is the name of a score without training, so a training cannot report"
                    " it."
                )
            metrics[name] = replace(plain, epochs=self._every)
        return metrics

    def _divisors(self, typical: Mapping[str, float]) -> dict[str, float]:
        if not isinstance(typical, Mapping):
            raise UserError(
                "typical must be a mapping of reported costs to numbers, not"
                f" {typical!r:.80}."
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
        """The folder that contains one subfolder for each of the benchmark's trainings."""
        return home() / "trainings" / self._label

    def folder_of(self, cell: Cell, training_seed: int = 0) -> Path:
        """Return the folder of a training, which contains its checkpoint, ``log.txt`` and
        ``reports.jsonl``.
        """
        digest = hashlib.sha256(cell.text.encode()).hexdigest()[:16]
        return self.folder / f"{digest}-{self._number(training_seed)}"

    def checkpoint(self, cell: CellLike, training_seed: int | None = None) -> Path:
        """Return the folder with the files that the training of a cell has saved most recently.

        Args:
            cell: The cell, its text, its options by position, or its index in the space.
            training_seed: The training seed; None for the lowest seed that has a checkpoint.

        Raises:
            UserError: The cell has no checkpoint.
        """
        named = cell_given(self.space, cell)
        seeds = range(self._n_seeds) if training_seed is None else (training_seed,)
        for seed in seeds:
            training_folder = TrainingFolder(self.folder_of(named, seed))
            if name := training_folder.held().checkpoint:
                return training_folder.path / name
        raise UserError(
            f"There is no checkpoint of {named}: no training of it has ended, it saved no file in"
            " trial.folder, or its checkpoint was removed to save space (checkpoints=)."
        )

    def _number(self, seed: Seed) -> int:
        return super()._number(seed) if self.stochastic else 0

    def measure(
        self,
        cells: Sequence[Cell],
        questions: Sequence[Question],
        training_seed: Seed = 0,
    ) -> Measurement:
        """Return cached results. Cells without a cached result are trained in this process.

        If the mean is requested, the cell is trained with all seeds. The cost of a mean is the sum
        of the costs of all its trainings.
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
        """Train up to the last missing epoch, from the checkpoint if it precedes the first one."""
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
        """Return whether any stored training reported a value of the metric above 1."""
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
        """Return the seconds of continuing a training from `since` to `epochs`. If there was no
        checkpoint to continue from, return the seconds of all epochs.

        Raises:
            UserError: No training of the cell for so many epochs is stored.
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
                f"{self.cache.path} contains no training of {cell} for {epochs} epochs."
            )
        last = answers[epochs]
        if since not in answers or answers[since].curve != last.curve:
            return last.seconds
        return max(last.seconds - answers[since].seconds, 0.0)

    def seeds(self, question: Question) -> tuple[int, ...]:
        """Return the training seeds that a search can choose from for a cell; empty if there is
        only one seed.
        """
        is_drawn = self._n_seeds > 1 and question.epochs is not None
        return tuple(range(self._n_seeds)) if is_drawn else ()

    def reference_sample(self, question: Question) -> Sequence[Cell]:
        """Return the cells over which a metric's median is computed; empty for a metric that
        trainings report.
        """
        return () if self.is_expensive(question.metric) else self.space.reference_sample

    def _scale_of_cost(self, metric: Metric) -> tuple[float, float]:
        if metric.name not in self._typical:
            raise UserError(
                f"{metric.name} is reported by trainings, so its median over the space is not"
                f" available: give its divisor, as in typical={{{metric.name!r}: 20}}."
            )
        return self._typical[metric.name], 1e3 * self._typical[metric.name]

    def predicted_cost(self, cell: Cell, epochs: int | None) -> float:
        """Predict the relative cost of a training by the user's function. Without a cost function,
        use multiply-adds times epochs if the space can count them, otherwise epochs.

        Raises:
            UserError: The user's cost function fails or does not return a number.
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
        # plus the cost of a training without epochs, in millions of multiply-adds
        return float(self._untrained("macs", [cell])[0]) * epochs + 1.0


@contextmanager
def _alone(folder: Path, what: str) -> Iterator[None]:
    """Lock a training's folder. While another process trains there, report that this one lives."""
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
