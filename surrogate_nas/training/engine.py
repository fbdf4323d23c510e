"""Training cells on a task: one by one on a CPU, many at once on a GPU, with the same result.

On a CPU compiled kernels (`LaneNetwork`) train one cell faster than PyTorch trains it in a stack; on a GPU a stack
fills the device (`Stack`); networks of a space without cell graphs, which differ in shape, are trained one by one by
PyTorch. Every cell starts from the weights that the seed gives it and sees the same batches in the same order, so the
ways differ only in the order of sums (float32; `tests/test_engine.py` holds the tolerance). The loss and error of an
epoch's training split are means over its batches while the network trains, as NAS-Bench-201 records.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from surrogate_nas.errors import UserError
from surrogate_nas.network import Network
from surrogate_nas.space import Cell, Space, space_of
from surrogate_nas.training.fast import LaneNetwork, Stack, faster
from surrogate_nas.training.machine import check_numbers, cores, device_named
from surrogate_nas.training.tasks import Split, Task

EVALUATION_BATCH = {"cpu": 64}
"""By kind of device: on a CPU a batch's activations should stay in the cache."""
STACKED_ON_GPU = 64
WORST_ERROR = 100.0
SIZES = ("params", "macs")


@dataclass
class Curve:
    """What training one cell gave.

    Losses are in `loss_unit`, errors in %. A loss that is not finite, or beyond
    `Task.worst_loss`, is recorded as that worst loss, with a note.

    Attributes:
        cell: The cell.
        task: The task's name.
        epochs: How many were trained.
        seed: The root of initial weights and batches.
        train_loss: Per epoch, the mean over its batches while training.
        train_error: Likewise.
        valid_loss: After each epoch.
        valid_error: Likewise.
        test_loss: At the end.
        test_error: At the end.
        seconds: Wall-clock, evaluation included; in a stack each cell's equal share.
        train_seconds: Of all epochs of training, without evaluation; processor time on a CPU, wall-clock elsewhere.
        valid_seconds: Of one evaluation of the validation split, likewise.
        parameters: Of the whole network, dead operations included.
        multiply_accumulates: By the paper's convention, dead operations included; NaN where the space has no formula.
        device: What it was trained on.
        loss_unit: ``nats``, or ``squared error`` for regression.
        note: What went wrong, or empty.
    """

    cell: Cell
    task: str
    epochs: int
    seed: int
    parameters: int
    multiply_accumulates: float
    device: str
    train_loss: list[float] = field(default_factory=list)
    train_error: list[float] = field(default_factory=list)
    valid_loss: list[float] = field(default_factory=list)
    valid_error: list[float] = field(default_factory=list)
    test_loss: float = math.nan
    test_error: float = math.nan
    seconds: float = math.nan
    train_seconds: float = 0.0
    valid_seconds: float = math.nan
    loss_unit: str = "nats"
    note: str = ""

    @property
    def metrics(self) -> dict[str, float]:
        """The metrics at the end of the run, by the names of the benchmarks."""
        return {
            "train_loss": self.train_loss[-1],
            "train_error": self.train_error[-1],
            "valid_loss": self.valid_loss[-1],
            "valid_error": self.valid_error[-1],
            "test_loss": self.test_loss,
            "test_error": self.test_error,
        }


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
    live_only: bool = True,
    test: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> list[Curve]:
    """Train cells and return their curves in the order given.

    Args:
        cells: Cells of a registered space, or of `space`.
        task: The task.
        epochs: The length of the run, which is also that of the cosine; None for the task's default.
        seed: The root of initial weights and of the order of batches; the same for every cell.
        device: As PyTorch names it.
        network: The macro architecture; None for the task's default.
        space: The space of the cells; None to look it up, for each cell once.
        at_once: How many cells to stack; 1 trains one by one, as spaces without a graph always are; None means 1 on a
            CPU and 64 elsewhere. Where memory runs out the number is halved.
        threads: Cores to use on a CPU.
        live_only: Whether to leave out dead operations, which changes no result.
        test: Whether to evaluate the test split at the end; its metrics are NaN otherwise.
        progress: Called with (cells done, cells in all) after every stack.

    Raises:
        UserError: The device or the task's data is not here, a number is too small or too large, a cell is from no
            registered space or cannot be built, or one cell alone is too large.
    """
    epochs = task.schedule.epochs if epochs is None else epochs
    place = device_named(device)
    if at_once is None:
        at_once = 1 if place.type == "cpu" else STACKED_ON_GPU
    check_numbers(epochs=epochs, at_once=at_once, threads=threads, seed=seed)
    spaces = {cell: space or space_of(cell) for cell in cells}
    run = _Run(task, network or task.network(), spaces, epochs, seed, place, live_only, test)
    graphs = [spaces[cell].graph(cell, live_only=True) for cell in cells]
    order = sorted(range(len(cells)), key=lambda i: (graphs[i] or (), i))
    if not all(graphs):
        at_once = 1
    curves: dict[int, Curve] = {}
    with cores(threads):
        while order:
            now = order[:at_once]
            try:
                trained = run([cells[i] for i in now])
            except (RuntimeError, MemoryError) as error:
                if not _out_of_memory(error):
                    raise
                if at_once == 1:
                    raise UserError(f"Out of memory on {device} with a single cell: {cells[now[0]]}.") from error
                at_once = (len(now) + 1) // 2 if len(now) > 1 else 1
                _empty_cache(place)
                continue
            curves.update(zip(now, trained, strict=True))
            order = order[at_once:]
            if progress:
                progress(len(curves), len(cells))
    return [curves[i] for i in range(len(cells))]


def _out_of_memory(error: Exception) -> bool:
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "can't allocate memory" in str(error)


def _empty_cache(place: torch.device) -> None:
    if place.type == "cuda":
        torch.cuda.empty_cache()


class _Run:
    """The settings of a run and its data on the device; a call trains one stack of cells."""

    def __init__(
        self,
        task: Task,
        network: Network,
        spaces: Mapping[Cell, Space],
        epochs: int,
        seed: int,
        device: torch.device,
        live_only: bool,
        test: bool,
    ) -> None:
        self.task, self.network, self.spaces, self.epochs, self.seed = task, network, spaces, epochs, seed
        self.device, self.live_only, self.test = device, live_only, test
        self.data = {name: Split(*(part.to(device) for part in split)) for name, split in task.data.items()}

    def __call__(self, cells: Sequence[Cell]) -> list[Curve]:
        start = time.perf_counter()
        curves = [self._curve(cell) for cell in cells]
        model = self._model(cells)
        optimiser, rate = self._optimiser(model)
        clock = time.process_time if self.device.type == "cpu" else time.perf_counter
        for epoch in range(self.epochs):
            times = [clock()]
            self._record(curves, "train", self._train_epoch(model, optimiser, rate, epoch), epoch)
            times.append(clock())
            self._record(curves, "valid", self._evaluate(model, self.data["valid"]), epoch)
            times.append(clock())
            for curve in curves:
                curve.train_seconds += (times[1] - times[0]) / len(cells)
                curve.valid_seconds = (times[2] - times[1]) / len(cells)
        if self.test:
            for curve, loss, error in zip(curves, *self._evaluate(model, self.data["test"]), strict=True):
                curve.test_loss, curve.test_error = self._finite(curve, loss, error, self.epochs - 1)
        for curve in curves:
            curve.seconds = (time.perf_counter() - start) / len(cells)
        return curves

    def _model(self, cells: Sequence[Cell]) -> nn.Module:
        """One module that trains the cells: compiled kernels or a stack where they fit, else PyTorch's own layers."""
        networks = [
            self.spaces[cell].build(cell, self.network, seed=self.seed, live_only=self.live_only) for cell in cells
        ]
        model = faster(networks, self.device)
        if model is None:
            (model,) = networks
        if isinstance(model, LaneNetwork):
            return model
        return model.to(self.device, memory_format=torch.channels_last)  # type: ignore[no-any-return, call-overload]

    def _curve(self, cell: Cell) -> Curve:
        return Curve(
            cell, self.task.name, self.epochs, self.seed, *self._sizes(cell),
            device=str(self.device), loss_unit=self.task.loss_unit,
        )  # fmt: skip

    def _sizes(self, cell: Cell) -> tuple[int, float]:
        """Parameters, counted where the space has no formula, and multiply-accumulates, NaN where it has none."""
        space, choices = self.spaces[cell], np.array([cell.choices], dtype=np.int8)
        known = {name: space.analytic[name][1](choices, self.network)[0] for name in {*SIZES} & {*space.analytic}}
        if "params" not in known:
            built = space.build(cell, self.network, seed=self.seed)
            known["params"] = sum(parameter.numel() for parameter in built.parameters())
        return round(known["params"]), round(1e6 * known["macs"]) if "macs" in known else math.nan

    def _optimiser(self, model: nn.Module) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
        schedule = self.task.schedule
        optimiser = torch.optim.SGD(
            model.parameters(),
            lr=schedule.learning_rate,
            momentum=schedule.momentum,
            weight_decay=schedule.weight_decay,
            nesterov=schedule.momentum > 0,
            foreach=True,
        )
        steps = self.epochs * math.ceil(len(self.data["train"].targets) / schedule.batch)
        return optimiser, torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)

    def _outputs(self, model: nn.Module, inputs: Tensor) -> Tensor:
        outputs: Tensor = model(inputs)
        return outputs if isinstance(model, Stack) else outputs.unsqueeze(0)

    def _train_epoch(
        self,
        model: nn.Module,
        optimiser: torch.optim.Optimizer,
        rate: torch.optim.lr_scheduler.LRScheduler,
        epoch: int,
    ) -> tuple[list[float], list[float]]:
        model.train()
        inputs, targets = self.data["train"]
        n = len(targets)
        order = torch.from_numpy(np.random.default_rng((self.seed, epoch)).permutation(n)).to(self.device)
        sums: list[Tensor] = []
        for chosen in torch.split(order, self.task.schedule.batch):
            outputs = self._outputs(model, inputs[chosen])
            losses = self.task.losses(outputs, targets[chosen])
            optimiser.zero_grad()
            losses.sum().backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            rate.step()
            share = len(chosen) / n
            sums.append(torch.stack([losses.detach().double(), self.task.errors(outputs, targets[chosen])]) * share)
        losses, errors = torch.stack(sums).sum(0).tolist()
        return losses, errors

    @torch.inference_mode()
    def _evaluate(self, model: nn.Module, split: Split) -> tuple[list[float], list[float]]:
        model.eval()
        batches = torch.split(split.inputs, EVALUATION_BATCH.get(self.device.type, 1000))
        outputs = torch.cat([self._outputs(model, inputs) for inputs in batches], dim=1)
        return self.task.losses(outputs, split.targets).tolist(), self.task.errors(outputs, split.targets).tolist()

    def _record(self, curves: Sequence[Curve], split: str, values: tuple[list[float], list[float]], epoch: int) -> None:
        for curve, loss, error in zip(curves, *values, strict=True):
            finite_loss, finite_error = self._finite(curve, loss, error, epoch)
            getattr(curve, f"{split}_loss").append(finite_loss)
            getattr(curve, f"{split}_error").append(finite_error)

    def _finite(self, curve: Curve, loss: float, error: float, epoch: int) -> tuple[float, float]:
        worst = self.task.worst_loss
        if math.isfinite(loss) and loss <= worst:
            return loss, error
        if not curve.note:
            what = "beyond the worst recorded" if math.isfinite(loss) else "not finite"
            curve.note = f"diverged in epoch {epoch + 1}: the loss was {what}"
        return worst, WORST_ERROR if not math.isfinite(loss) else error
