"""Train cells on a task, one by one on a CPU or many at once on a GPU.

On a CPU, compiled kernels train one cell at a time (`CompiledModel`). On a GPU, many networks are
stacked and trained together (`surrogate_nas.training.fast.stack`). Networks without a blueprint are
trained one by one by PyTorch. Every cell starts from the seed's initial weights and is trained on
the same batches in the same order. The results of compiled, stacked and PyTorch training therefore
differ only by the order in which float32 numbers are added.
"""

import math
import sys
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, TypeAlias, cast

import numpy as np

from surrogate_nas.core import (
    Registry,
    UserError,
    check_number,
    check_whole,
    subclass_of,
)
from surrogate_nas.space import Cell, Network, Space, space_of
from surrogate_nas.training.machine import (
    Array,
    LossAndGradient,
    as_array,
    cores,
    device_named,
    loaded,
)
from surrogate_nas.training.metrics import Predictions
from surrogate_nas.training.tasks import Task
from surrogate_nas.training.trainers import Trainer

if TYPE_CHECKING:
    from torch import Tensor, nn

    from surrogate_nas.space.network.module import BlueprintModule
    from surrogate_nas.training.fast.network import CompiledModel

_EVALUATION_BATCH = 1000
# There a batch's activations should stay in the cache.
_ON_A_CPU = 64


class TorchModel:
    """A PyTorch trainer for one network, or for a stack of `count` networks."""

    def __init__(
        self, networks: "Sequence[nn.Module]", task: Task, device: str
    ) -> None:
        """Start with the networks' current weights.

        Args:
            networks: Networks that map inputs ``(batch, channels, height, width)`` to
                ``(batch, …)``; several networks must have the same macro architecture and are
                stacked.
            task: The task, which arranges the outputs and defines the training schedule.
            device: The device for training.
        """
        self._torch = loaded()
        self.count = len(networks)
        module = networks[0]
        if self.count > 1:
            from surrogate_nas.training.fast.stack import Stack

            module = Stack(cast("Sequence[BlueprintModule]", networks))
        memory = self._torch.channels_last
        self._module: nn.Module = module.to(  # type: ignore[call-overload]
            device, memory_format=memory
        )
        self._task = task
        self._device = device
        self._parameters = [
            weight for weight in self._module.parameters() if weight.requires_grad
        ]
        self._type = self._parameters[0].dtype if self._parameters else None
        self._velocities = [
            self._torch.zeros_like(weight) for weight in self._parameters
        ]
        self._batch = _ON_A_CPU if device == "cpu" else _EVALUATION_BATCH

    def step(
        self,
        inputs: Array,
        targets: Array,
        loss_and_gradient: LossAndGradient,
        rate: float,
    ) -> tuple[Array, Array]:
        """Take a gradient step. Return the losses of the K networks before the step, shape
        ``(K,)``, and the arranged outputs.
        """
        self._module.train()
        outputs = self._outputs(self._tensor(inputs))
        detached = outputs.detach()
        answers = detached.numpy() if self._device == "cpu" else detached
        losses, gradient = loss_and_gradient(answers, targets)
        for parameter in self._parameters:
            parameter.grad = None
        outputs.backward(  # type: ignore[no-untyped-call]
            self._torch.as_tensor(gradient).to(outputs)
        )
        self._descend(rate)
        return losses, as_array(detached)

    def predict(self, inputs: Array) -> Array:
        """Return the networks' outputs in evaluation mode, arranged as the losses expect them,
        shape ``(K, n, …)``.
        """
        self._module.eval()
        with self._torch.no_grad():
            batches = [
                as_array(
                    self._outputs(self._tensor(inputs[start : start + self._batch]))
                )
                for start in range(0, len(inputs), self._batch)
            ]
        return batches[0] if len(batches) == 1 else np.concatenate(batches, 1)

    def input_gradient(
        self, inputs: Array, gradient_of: Callable[[Array], Array]
    ) -> Array:
        """Return the gradient of each network with respect to its inputs."""
        self._module.eval()
        from surrogate_nas.training.autograd import autograd_input_gradient

        return autograd_input_gradient(self._outputs, self._tensor(inputs), gradient_of)

    def _tensor(self, inputs: Array) -> "Tensor":
        tensor: Tensor = self._torch.as_tensor(
            inputs, dtype=self._type, device=self._device
        )
        return tensor

    def _outputs(self, inputs: "Tensor") -> "Tensor":
        outputs: Tensor = self._module(inputs)
        if self.count == 1:
            outputs = outputs.unsqueeze(0)
        arranged: Tensor = self._task.arranged(outputs)
        return arranged

    def _descend(self, rate: float) -> None:
        """Update all parameters that have a gradient, as in PyTorch's SGD."""  # its import is slow
        torch = self._torch
        schedule = self._task.schedule
        pairs = zip(self._parameters, self._velocities, strict=True)
        moved = [(w.detach(), w.grad, v) for w, v in pairs if w.grad is not None]
        if not moved:
            return
        weights, gradients, velocities = map(list, zip(*moved, strict=True))
        with torch.no_grad():
            torch._foreach_add_(gradients, weights, alpha=schedule.weight_decay)
            torch._foreach_mul_(velocities, schedule.momentum)
            torch._foreach_add_(velocities, gradients)
            torch._foreach_add_(gradients, velocities, alpha=schedule.momentum)
            torch._foreach_add_(weights, gradients, alpha=-rate)


TRAINERS: Registry[type[Trainer]] = Registry(
    "trainer",
    subclass_of(Trainer, "surrogate_nas.training.trainers.Trainer"),
    {
        "policy": "surrogate_nas.training.trainers.policy:Policy",
        "supervised": "surrogate_nas.training.trainers:Trainer",
        "adversarial": "surrogate_nas.training.trainers.adversarial:Adversarial",
        "reconstruction": "surrogate_nas.training.trainers:Reconstruction",
    },
    group="surrogate_nas.trainers",
)


def trainer_of(task: Task) -> type[Trainer]:
    """Return the class that trains networks on a task: the task's own trainer, or the default of
    its kind of task.
    """
    return TRAINERS.find(task.trainer or task.about.trainer)


@dataclass
class Curve:
    """The result of training one cell: its metrics after every epoch, sizes and times.

    If a metric is not finite or a loss exceeds `Task.worst_loss`, the worst possible value is
    recorded, and `note` says so.

    Attributes:
        cell: The cell.
        task: The name of the task that the cell was trained on.
        epochs: Number of trained epochs.
        seed: The root seed of the initial weights and of the order of batches.
        parameters: Number of parameters of the whole network. Operations on which the output does
            not depend are counted, too.
        multiply_accumulates: Number of multiply-accumulate operations of the whole network,
            including operations on which the output does not depend. NaN if the space has neither a
            formula nor a blueprint.
        device: The device on which the cell was trained.
        units: The unit of every recorded metric, by the metric's name.
        values: For each metric's name, a list with one value per epoch. A value of the training
            split is a mean over the epoch's batches.
        finals: Values of the metrics that are computed only at the end of the training, by name.
        points: For each requested share of the training, the values of the metrics at that point,
            by name. A value of the training split is the mean over the preceding batches of one
            epoch's length (fewer at the beginning of the training).
        seconds: Processor time of the training on a CPU, wall-clock time on other devices. For a
            stack of networks, each cell is assigned an equal share.
        train_seconds: Seconds of all training epochs, without evaluation.
        valid_seconds: Seconds of one evaluation on the validation split.
        note: A description of a failure, such as divergence; empty if the training did not fail.

    Example:
        >>> import surrogate_nas as sn
        >>> digits = sn.task_named("digits")
        >>> (curve,) = sn.train([sn.nb201()[11]], digits, epochs=2, test=False)
        >>> len(curve.values["train_loss"]), curve.units["valid_error"], curve.note
        (2, '%', '')
    """

    cell: Cell
    task: str
    epochs: int
    seed: int
    parameters: int
    multiply_accumulates: float
    device: str
    units: dict[str, str]
    values: dict[str, list[float]] = field(default_factory=dict)
    finals: dict[str, float] = field(default_factory=dict)
    points: dict[float, dict[str, float]] = field(default_factory=dict)
    seconds: float = math.nan
    train_seconds: float = 0.0
    valid_seconds: float = math.nan
    note: str = ""

    @property
    def metrics(self) -> dict[str, float]:
        """The values of all metrics at the end of the training, by name."""
        last = {name: values[-1] for name, values in self.values.items()} | self.finals
        return {name: last[name] for name in self.units}


Model: TypeAlias = "CompiledModel | TorchModel"
STACKED_ON_GPU = 64
_MOST_EPOCHS = 100_000
SIZES = ("params", "macs")
# Kinds of task and losses whose code this process has loaded.
_WARM: set[tuple[str, str]] = set()


def train(
    cells: Sequence[Cell],
    task: Task,
    *,
    epochs: int | None = None,
    seed: int = 0,
    device: str = "cpu",
    network: Network | None = None,
    space: Space | None = None,
    at_once: int | None = None,
    threads: int = 1,
    test: bool = True,
    progress: Callable[[int, int], None] | None = None,
    shares: Sequence[float] = (),
    weight_decay: Callable[[Cell], float] | None = None,
) -> list[Curve]:
    """Train cells, and return their results in the order of the cells.

    Args:
        cells: Cells to train, all of `space` or each of a registered space.
        task: The task.
        epochs: Number of training epochs, over which the cosine schedule of the learning rate
            extends; None for the task's default.
        seed: The root seed of the initial weights and of the order of batches, the same for every
            cell.
        device: The device, in PyTorch's notation, such as ``cpu`` or ``cuda:0``.
        network: The macro architecture around the cell; None for the task's default.
        space: The space of all cells; None to find each cell's space among the registered spaces.
        at_once: Number of cells that are trained together in a stack; None for 1 on a CPU and 64 on
            other devices. Cells of a space without a graph are always trained one by one. If memory
            runs out, the number of cells in a stack is halved.
        threads: Number of CPU cores to use.
        test: Whether to evaluate on the test split at the end. Without this evaluation, the metrics
            of the test split are NaN.
        progress: A function that is called after every stack with the number of trained cells and
            the number of all cells.
        shares: Shares of the training, above 0 and at most 1, after which the networks are also
            evaluated, even within an epoch (see `Curve.points`). Evaluations at these points do not
            change any other result.
        weight_decay: A function that returns the weight decay of a cell, at least 0. With a
            function for the weight decay, cells are trained one by one; with None, the task's own
            weight decay is used.

    Raises:
        UserError: The device or the task's data is not available, or an argument is out of range. A
            cell does not belong to a registered space, cannot be built, or does not fit into
            memory.

    Example:
        >>> import surrogate_nas as sn
        >>> space, digits = sn.nb201(), sn.task_named("digits")
        >>> alone = sn.train([space[11]], digits, epochs=1)
        >>> again = sn.train([space[0], space[11]], digits, epochs=1)
        >>> alone[0].metrics == again[1].metrics, sorted(alone[0].finals)[:2]
        (True, ['test_ece', 'test_error'])
    """
    epochs = task.schedule.epochs if epochs is None else epochs
    device_name = device_named(device)
    if at_once is None:
        at_once = 1 if device_name == "cpu" else STACKED_ON_GPU
    check_whole("The epochs", epochs, 1, _MOST_EPOCHS)
    check_whole("The at once", at_once, 1)
    check_whole("The threads", threads, 1)
    check_whole("The seed", seed, 0, math.inf)
    spaces = {cell: space or space_of(cell) for cell in cells}
    network = network or task.network()
    run = _Run(task, network, spaces, epochs, seed, device_name, test)
    run.shares = [
        check_number("A share of the run", share, 0, 1, above=True) for share in shares
    ]
    run.weight_decay = weight_decay
    graphs = [spaces[cell].graph(cell, live_only=True) for cell in cells]
    order = sorted(range(len(cells)), key=lambda i: (graphs[i] or (), i))
    if not all(graphs) or not run.stackable:
        at_once = 1
    curves: dict[int, Curve] = {}
    with cores(threads):
        while order:
            stack = order[:at_once]
            try:
                trained = run([cells[i] for i in stack])
            except (RuntimeError, MemoryError) as error:
                kinds = {kind.__name__ for kind in type(error).__mro__}
                is_memory = kinds & {"MemoryError", "OutOfMemoryError"}
                if not is_memory and "can't allocate memory" not in str(error):
                    raise
                if at_once == 1:
                    raise UserError(
                        f"Out of memory on {device} with a single cell: {cells[stack[0]]}."
                    ) from error
                at_once = (len(stack) + 1) // 2 if len(stack) > 1 else 1
                if device_name.startswith("cuda"):
                    sys.modules["torch"].cuda.empty_cache()
                continue
            curves.update(zip(stack, trained, strict=True))
            order = order[at_once:]
            if progress:
                progress(len(curves), len(cells))
    return [curves[i] for i in range(len(cells))]


def prepare(task: Task, network: Network, space: Space) -> None:
    """Load all code and data that are needed to train cells on a CPU, in the process from which
    workers are forked.
    """
    cell = space.sample(np.random.default_rng(0))
    with cores(1):
        _Run(task, network, {cell: space}, 1, 0, "cpu", test=False)._warm_up([cell])


@cache
def _say_once(space: str) -> None:
    warnings.warn(
        f"Cells of {space} have no blueprint: they are trained by PyTorch layers, which takes"
        " several times as long.",
        stacklevel=2,
    )


@dataclass
class _Run:
    """The settings of a run; a call trains one stack of cells."""

    task: Task
    network: Network
    spaces: Mapping[Cell, Space]
    epochs: int
    seed: int
    device: str
    test: bool
    shares: Sequence[float] = ()
    weight_decay: Callable[[Cell], float] | None = None

    @property
    def stackable(self) -> bool:
        """Whether several cells can be trained at once."""
        return self.trainer.stackable and self.weight_decay is None

    @property
    def clock(self) -> Callable[[], float]:
        """A clock: processor seconds on a CPU, wall-clock seconds on other devices."""
        return time.process_time if self.device == "cpu" else time.perf_counter

    @property
    def trainer(self) -> type[Trainer]:
        """The trainer of the task."""
        return trainer_of(self.task)

    @np.errstate(all="ignore")  # what diverges is noted
    def __call__(self, cells: Sequence[Cell]) -> list[Curve]:
        if self.weight_decay:
            task = self.task.with_weight_decay(self.weight_decay(cells[0]))
            return replace(self, task=task, weight_decay=None)(cells)
        self._warm_up(cells)
        clock = self.clock
        start = clock()
        curves = [self._curve(cell) for cell in cells]
        trainer = self.trainer(self.task, self.task.data, seed=self.seed)
        model = self._model(cells)
        past: deque[tuple[int, Array]] = deque(maxlen=trainer.steps)
        for epoch in range(self.epochs):
            times = [clock()]
            self._train_epoch(model, trainer, curves, epoch, past)
            times.append(clock())
            losses, predictions = self._evaluate("valid", model, trainer, curves, epoch)
            times.append(clock())
            for curve in curves:
                curve.train_seconds += (times[1] - times[0]) / len(cells)
                curve.valid_seconds = (times[2] - times[1]) / len(cells)
        predictions = replace(predictions, input_gradient=model.input_gradient)
        self._record(curves, epoch, losses, self._measured("valid", predictions, "end"))
        if self.test:
            losses, predictions = self._evaluate("test", model, trainer, curves, epoch)
            predictions = replace(predictions, input_gradient=model.input_gradient)
            self._record(
                curves, epoch, losses, self._measured("test", predictions, "end")
            )
        for curve, fault in zip(curves, trainer.faults(predictions), strict=True):
            curve.note = curve.note or fault
            finals = [
                diagnostic.name
                for diagnostic in self.task.diagnostics
                if not diagnostic.every_epoch
            ]
            curve.finals = dict.fromkeys(finals, math.nan) | curve.finals
            curve.seconds = (clock() - start) / len(cells)
        return curves

    def _warm_up(self, cells: Sequence[Cell]) -> None:
        """Process one batch with another network, so that the time for loading code is charged to
        no cell.
        """
        key = self.task.kind, self.task.trained.name
        model = None if key in _WARM or self.device != "cpu" else self._model(cells)
        if model is None or isinstance(model, TorchModel):
            return
        trainer = self.trainer(self.task, self.task.data, seed=self.seed)
        batch = next(iter(trainer.batches(0, model.predict)))
        self._step(model, trainer, batch, 0.0)
        _WARM.add(key)

    def _measured(
        self, split: str, predictions: Predictions, *moments: str
    ) -> dict[str, Array]:
        """Return the metrics that are recorded at some moments by name, each of shape ``(K,)``."""
        return {
            f"{split}_{metric.name}": as_array(metric.of(predictions))
            for metric in self.task.measured
            if metric.when in moments
        }

    def _model(self, cells: Sequence[Cell]) -> Model:
        """Return one network, compiled if possible, or a stack of several networks."""
        if self.device == "cpu" and len(cells) == 1:
            space = self.spaces[cells[0]]
            plan = space.blueprint(cells[0], self.network, live_only=True)
            if plan is not None:
                from surrogate_nas.training.fast.network import CompiledModel

                return CompiledModel(plan, self.task, seed=self.seed)
            _say_once(space.name)
        networks = [
            self.spaces[cell].build(cell, self.network, seed=self.seed, live_only=True)
            for cell in cells
        ]
        return TorchModel(networks, self.task, self.device)

    def _curve(self, cell: Cell) -> Curve:
        units = {
            diagnostic.name: diagnostic.of.unit for diagnostic in self.task.diagnostics
        }
        about = cell, self.task.name, self.epochs, self.seed, *self._sizes(cell)
        return Curve(*about, device=self.device, units=units)

    def _sizes(self, cell: Cell) -> tuple[int, float]:
        """Return the numbers of parameters and of multiply-accumulates, counted if the space has no
        formula.
        """
        space = self.spaces[cell]
        choices = np.array([cell.choices], dtype=np.int8)
        sizes = {
            name: space.analytic[name][1](choices, self.network)[0]
            for name in {*SIZES} & {*space.analytic}
        }
        plan = None if len(sizes) == len(SIZES) else space.blueprint(cell, self.network)
        if plan is not None:
            return plan.size, plan.multiply_accumulates
        if "params" not in sizes:
            built = space.build(cell, self.network, seed=self.seed)
            sizes["params"] = sum(parameter.numel() for parameter in built.parameters())
        macs = round(1e6 * sizes["macs"]) if "macs" in sizes else math.nan
        return round(sizes["params"]), macs

    def _evaluate(
        self,
        split: str,
        model: Model,
        trainer: Trainer,
        curves: Sequence[Curve],
        epoch: int,
    ) -> tuple[Array, Predictions]:
        """Evaluate the networks in their current state, and record the metrics."""
        losses, predictions = trainer.judged(split, model.predict)
        measured = self._measured(split, predictions, "batch", "epoch")
        self._record(curves, epoch, losses, {f"{split}_loss": losses, **measured})
        return losses, predictions

    def _train_epoch(
        self,
        model: Model,
        trainer: Trainer,
        curves: Sequence[Curve],
        epoch: int,
        past: deque[tuple[int, Array]],
    ) -> None:
        start = epoch * trainer.steps
        steps = self.epochs * trainer.steps
        points = {max(1, round(share * steps)): share for share in self.shares}
        for number, batch in enumerate(trainer.batches(epoch, model.predict), start):
            falling = 1 + math.cos(math.pi * number / steps)
            rate = self.task.schedule.learning_rate / 2 * falling
            numbers = self._step(model, trainer, batch, rate)
            past.append((len(batch[0]), np.stack([*numbers.values()])))
            if number + 1 in points:
                began = self.clock()
                now = [replace(curve, values={}, finals={}) for curve in curves]
                self._record_means(now, epoch, past, numbers)
                for split in ("valid", "test")[: 1 + self.test]:
                    self._evaluate(split, model, trainer, now, epoch)
                for curve, here in zip(curves, now, strict=True):
                    last = {name: values[-1] for name, values in here.values.items()}
                    curve.points[points[number + 1]] = last | here.finals
                    curve.train_seconds -= (self.clock() - began) / len(curves)
        self._record_means(curves, epoch, past, numbers)

    def _record_means(
        self,
        curves: Sequence[Curve],
        epoch: int,
        past: Sequence[tuple[int, Array]],
        names: Iterable[str],
    ) -> None:
        """Record the means over the last steps; each step is given as its size and its numbers."""
        sizes, numbers = zip(*past, strict=True)
        shares = np.array(sizes)[:, None, None] / sum(sizes)
        # a matrix product would be the processor's own order of sums
        means = np.add.reduce(shares * np.stack(numbers))
        self._record(curves, epoch, means[0], dict(zip(names, means, strict=True)))

    def _step(
        self, model: Model, trainer: Trainer, batch: tuple[Array, Array], rate: float
    ) -> dict[str, Array]:
        """Take a gradient step and return the numbers of its batch by name."""
        inputs, targets = batch
        losses, outputs = model.step(inputs, targets, trainer.loss_and_gradient, rate)
        fields = (
            outputs,
            targets,
            inputs,
            self.task,
            model.predict,
            model.input_gradient,
        )
        return {
            "train_loss": losses,
            **self._measured("train", Predictions(*fields), "batch"),
        }

    def _record(
        self,
        curves: Sequence[Curve],
        epoch: int,
        losses: Array,
        numbers: Mapping[str, Array],
    ) -> None:
        """Record the numbers of each network; if a number or the loss is not finite, record the
        worst value.
        """
        worst = self.task.worst_loss
        for k, (curve, loss) in enumerate(zip(curves, losses.tolist(), strict=True)):
            finite = math.isfinite(loss)
            if not (finite and loss <= worst) and not curve.note:
                fault = "beyond the worst recorded" if finite else "not finite"
                curve.note = f"diverged in epoch {epoch + 1}: the loss was {fault}"
            for diagnostic in self.task.diagnostics:
                if diagnostic.name in numbers:
                    value = numbers[diagnostic.name][k].item() if finite else math.nan
                    value = diagnostic.recorded(value)
                    if diagnostic.every_epoch:
                        curve.values.setdefault(diagnostic.name, []).append(value)
                    else:
                        curve.finals[diagnostic.name] = value
