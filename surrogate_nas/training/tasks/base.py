"""A task: data in fixed splits, the loss that is trained, further metrics, and a schedule."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from surrogate_nas.core.arguments import check_number, check_whole
from surrogate_nas.core.errors import UserError, unknown
from surrogate_nas.core.extras import is_installed, is_optional, missing, need
from surrogate_nas.space.network import Network
from surrogate_nas.training.arrays import Array
from surrogate_nas.training.metrics import sequences
from surrogate_nas.training.metrics.base import Diagnostic, TaskMetric
from surrogate_nas.training.tasks import checking
from surrogate_nas.training.tasks.checking import SPLITS, Split, Splits, as_split, checked

if TYPE_CHECKING:
    from surrogate_nas.training.losses import Loss
    from surrogate_nas.training.metrics import Predictions
    from surrogate_nas.training.tasks.environment import Environment

__all__ = [
    "SPLITS",
    "Array",
    "Schedule",
    "Split",
    "Splits",
    "Task",
    "as_split",
    "by_share",
    "cut",
    "enough",
    "pooled",
    "split_images",
    "split_rng",
    "standardise",
]


@dataclass(frozen=True)
class Kind:
    """What tasks of one kind have in common.

    Attributes:
        name: The key in `KINDS`.
        loss: The default loss.
        measures: The names of the default metrics; the first judges the task.
        check: Returns the targets in their own type, or raises a `UserError`.
        positions: Whether the head answers at every position instead of once, after pooling.
        strided: Whether the size is halved between the stages of the network.
        causal: Whether a position sees only itself and what is before it.
        trainer: The key in `surrogate_nas.training.trainers.TRAINERS`.
        least: The fewest classes.
        shuffled: Whether a place of the head may answer several pixels, see `pixels`.
        faults: From answers to what went wrong with each network, or empty.
        of_images: Whether inputs are images, not signals of height 1.
        every_pixel: Whether targets have the height and width of the inputs.
    """

    name: str
    loss: str
    measures: tuple[str, ...]
    check: checking.Check
    positions: bool = False
    strided: bool = True
    causal: bool = False
    trainer: str = "supervised"
    least: int = 2
    shuffled: bool = False
    faults: Callable[[Predictions], list[str]] | None = None
    of_images: bool = False
    every_pixel: bool = False


def pixels(answered: Any, classes: int) -> Any:
    """Answers of every pixel out of those of a coarser grid (a pixel shuffle, Shi et al., CVPR
    2016).

    Args:
        answered: An array or a tensor ``(K, batch, classes·f², rows, columns)``.
        classes: How many classes there are.

    Returns:
        Shape ``(K, batch, classes, f·rows, f·columns)``.
    """
    count, batch, numbers, rows, columns = answered.shape
    finer = math.isqrt(numbers // classes)
    if finer == 1:
        return answered
    parted = answered.reshape(count * batch * classes, finer, finer, rows, columns)
    moved = parted.swapaxes(1, 3).swapaxes(2, 3).swapaxes(3, 4)
    return moved.reshape(count, batch, classes, finer * rows, finer * columns)


def unshuffled(shuffled: Any, outputs: int) -> Any:
    """The inverse of `pixels`, for ``outputs = classes·f²``."""
    count, batch, classes, height, width = shuffled.shape
    finer = math.isqrt(outputs // classes)
    if finer == 1:
        return shuffled
    rows = height // finer
    columns = width // finer
    parted = shuffled.reshape(count * batch * classes, rows, finer, columns, finer)
    moved = parted.swapaxes(3, 4).swapaxes(2, 3).swapaxes(1, 3)
    return moved.reshape(count, batch, outputs, rows, columns)


_OF_CLASSES = ("error", "nll", "ece", "robust_error")

KINDS = {
    kind.name: kind
    for kind in (
        Kind("classification", "cross_entropy", _OF_CLASSES, checking.one_class),
        Kind("regression", "squared", ("error", "mae"), checking.values, least=1),
        Kind(
            "reconstruction",
            "squared",
            ("auc",),
            checking.one_class,
            trainer="reconstruction",
        ),
        Kind(
            "images",
            "squared",
            ("mae", "psnr", "ssim"),
            checking.images,
            positions=True,
            strided=False,
            least=1,
            of_images=True,
            every_pixel=True,
        ),
        Kind(
            "language",
            "cross_entropy",
            ("error", "perplexity"),
            partial(checking.one_class, axes=1),
            positions=True,
            strided=False,
            causal=True,
        ),
        Kind(
            "sequence",
            "ctc",
            ("character_error", "text_error"),
            checking.class_sequences,
            positions=True,
            strided=False,
            faults=sequences.unaligned,
        ),
        Kind(
            "segmentation",
            "cross_entropy",
            ("error", "miou"),
            partial(checking.one_class, axes=2),
            positions=True,
            shuffled=True,
            of_images=True,
            every_pixel=True,
        ),
        Kind(
            "detection",
            "detection",
            ("missed", "iou"),
            checking.boxes,
            positions=True,
            of_images=True,
        ),
        Kind(
            "generation",
            "adversarial",
            ("frechet", "coverage"),
            checking.images,
            positions=True,
            strided=False,
            trainer="adversarial",
            least=1,
            of_images=True,
            every_pixel=True,
        ),
        Kind(
            "policy",
            "clipped_return",
            ("return", "failures"),
            checking.states,
            trainer="policy",
        ),
    )
}


@dataclass(frozen=True)
class Schedule:
    """SGD with Nesterov momentum; the learning rate falls to 0 as a cosine over all steps.

    Attributes:
        epochs: The default length of a run.
        batch: Examples a step; the last, smaller batch of an epoch is used too.
        learning_rate: At the first step.
        momentum: Of Nesterov's kind.
        weight_decay: On every parameter.
    """

    epochs: int = 3
    batch: int = 64
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4

    def __post_init__(self) -> None:
        check_whole("The epochs", self.epochs, 1)
        check_whole("The batch", self.batch, 1)
        for name in ("learning_rate", "momentum", "weight_decay"):
            check_number(f"{name} of a schedule", getattr(self, name))


@dataclass(frozen=True)
class Task:
    """Data, head, training loss and metrics.

    Attributes:
        name: The key in `TASKS`.
        title: One line saying what is learned.
        load: Makes or reads the splits, by name, each a `Split` or a pair of arrays or tensors;
            called once.
        classes: How many classes, actions, values or channels of an image are answered.
        kind: The key in `KINDS`.
        channels: Default channels of the first stage.
        cells_per_stage: Default cells in each stage.
        residual: Whether the stages are joined by the published residual blocks (see `Network`).
        schedule: How it is trained.
        tolerance: For regression: an answer further off than this counts as an error.
        source: Where the data comes from.
        packages: Packages that `load` needs, as Python imports them.
        has_files: Whether further files that `load` needs are here.
        loss: A name in `LOSSES`, or a loss of a user's own; that of the kind if empty.
        measures: Names in `METRICS`, or metrics of a user's own, besides the loss; those of the
            kind if empty. The first judges the task.
        outputs: Numbers that the head answers; None for one of each class.
        strided: Whether the size is halved between the stages; None for what the kind says.
        trainer: The key in `surrogate_nas.training.trainers.TRAINERS`; that of the kind if empty.
        environment: What a policy acts in.

    Example:
        >>> import numpy as np
        >>> from surrogate_nas.space import nb201
        >>> from surrogate_nas.training import train
        >>> def halves():
        ...     images = np.random.default_rng(0).standard_normal((300, 1, 8, 8))
        ...     labels = images[:, 0, :, :4].mean((1, 2)) > images[:, 0, :, 4:].mean((1, 2))
        ...     return cut(images, labels * 1, (200, 50, 50))
        >>> task = Task("halves", "which half of the noise is brighter?", halves, classes=2)
        >>> (curve,) = train([nb201()[11]], task, epochs=3)
        >>> curve.values["train_loss"][-1] < curve.values["train_loss"][0]
        True
    """

    name: str
    title: str
    load: Callable[[], Splits]
    classes: int
    kind: str = "classification"
    channels: int = 4
    cells_per_stage: int = 1
    residual: bool = True
    schedule: Schedule = field(default_factory=Schedule)
    tolerance: float = 0.0
    source: str = ""
    packages: tuple[str, ...] = ()
    has_files: Callable[[], bool] = lambda: True
    loss: str | Loss = ""
    measures: tuple[str | TaskMetric, ...] = ()
    outputs: int | None = None
    strided: bool | None = None
    trainer: str = ""
    environment: Environment | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise UserError(f"The name of a task is a text, not {self.name!r:.80}.")
        if self.kind not in KINDS:
            raise unknown("kind of task", self.kind, KINDS)
        for name in ("classes", "channels", "cells_per_stage", "_outputs"):
            what = f"The {name.lstrip('_')} of the task {self.name}"
            check_whole(
                what, getattr(self, name), self.about.least if name == "classes" else 1
            )

    @property
    def about(self) -> Kind:
        """What tasks of its kind have in common."""
        return KINDS[self.kind]

    def is_here(self) -> bool:
        """Whether the data can be read without a network."""
        return all(map(is_installed, self.packages)) and self.has_files()

    @cached_property
    def data(self) -> Splits:
        """The splits ``train``, ``valid`` and ``test``.

        Raises:
            UserError: The data is not here or not what it should be, or the task's own code failed.
        """
        need(f"The task {self.name}", *self.packages)
        try:
            splits = self.load()
        except UserError:
            raise
        except Exception as error:
            if isinstance(error, ModuleNotFoundError) and is_optional(error):
                raise missing(f"The task {self.name}", error.name or "") from error
            raise UserError(
                f"The task {self.name} cannot load its data: {type(error).__name__}: {error}."
            ) from error
        try:
            result = checked(splits, self.about.check, self.classes)
            self._check_size(result["train"].inputs.shape)
        except UserError as error:
            raise UserError(f"The task {self.name} is wrong: {error}.") from None
        return result

    def _check_size(self, shape: tuple[int, ...]) -> None:
        """Refuse inputs and numbers of outputs that no network of the task can be trained with."""
        _, channels, height, width = shape
        if height == 1 and self.about.of_images:
            raise UserError(
                f"its inputs have height 1, and the kind {self.kind} needs square images"
            )
        if height not in (1, width):
            raise UserError(
                f"its inputs are {height} × {width}; they must be square images, or signals of"
                " height 1"
            )
        size = channels * height * width
        if (
            self.trainer or self.about.trainer
        ) == "reconstruction" and self._outputs != size:
            raise UserError(
                f"it answers {self._outputs} numbers for inputs of {channels} × {height} × {width};"
                f" right is outputs={size}"
            )
        positions = self._network_for(shape).stages[-1][1]
        finer, remainder = divmod(width, positions)
        shuffled = self.about.shuffled and not remainder
        right = self.classes * finer**2
        fits = self._outputs == right and (finer == 1 or shuffled)
        if self.about.every_pixel and not fits:
            either = f"outputs={right} or " if shuffled and finer > 1 else ""
            raise UserError(
                f"it answers {self._outputs} numbers at {positions} × {positions} places for images"
                f" of {height} × {width}; right is {either}strided=False and no outputs"
            )

    @property
    def _outputs(self) -> int:
        return self.classes if self.outputs is None else self.outputs

    @cached_property
    def trained(self) -> Loss:
        """The loss that is trained.

        Raises:
            UserError: There is no such loss, or it is one for other kinds of tasks.
        """
        from surrogate_nas.training.losses import fitting, loss_named

        loss = self.loss or self.about.loss
        if isinstance(loss, str):
            loss = loss_named(loss)
        if self.kind not in loss.fits:
            raise UserError(
                f"The loss {loss.name} is not for the {self.kind} task {self.name}; these are:"
                f" {', '.join(fitting(self.kind))}."
            )
        return loss

    @cached_property
    def measured(self) -> tuple[TaskMetric, ...]:
        """What is measured besides the loss; the first judges the task.

        Raises:
            UserError: There is no such metric.
        """
        from surrogate_nas.training.metrics import METRICS

        named = self.measures or self.about.measures
        return tuple(
            METRICS.find(metric) if isinstance(metric, str) else metric for metric in named
        )

    @cached_property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """All metrics of a training, in the order of a report."""
        loss = TaskMetric(
            "loss", "", self.trained.unit, "loss", self.worst_loss, np.asarray, "batch"
        )
        return tuple(
            Diagnostic(split, metric)
            for split in SPLITS
            for metric in (loss, *self.measured)
            if split != "train" or metric.when == "batch"
        )

    @cached_property
    def digest(self) -> str:
        """A digest of the data and of all settings that a training's result depends on, but for the
        task's own code.

        Raises:
            UserError: See `data`.
        """
        names = (
            "kind",
            "classes",
            "channels",
            "cells_per_stage",
            "residual",
            "tolerance",
            "outputs",
            "strided",
        )
        settings = {name: getattr(self, name) for name in names} | {
            "schedule": asdict(self.schedule),
            "loss": self.trained.name,
            "measures": [measure.name for measure in self.measured],
            "course": self.trainer,
            "environment": (
                self.environment
                and [type(self.environment).__qualname__, repr(vars(self.environment))]
            ),
        }
        total = hashlib.sha256(json.dumps(settings).encode())
        for name in SPLITS:
            for part in self.data[name]:
                # as digests always named types
                total.update(f"{name} {part.shape} torch.{part.dtype}".encode())
                total.update(np.ascontiguousarray(part).data)
        return total.hexdigest()

    def network(
        self, channels: int | None = None, cells_per_stage: int | None = None
    ) -> Network:
        """The macro architecture for this task's inputs.

        Args:
            channels: Of the first stage; None for the task's default.
            cells_per_stage: None for the task's default.
        """
        network = self._network_for(self.data["train"].inputs.shape)
        settings: dict[str, Any] = {
            "channels": channels,
            "cells_per_stage": cells_per_stage,
        }
        return replace(network, **{k: v for k, v in settings.items() if v is not None})

    def _network_for(self, shape: tuple[int, ...]) -> Network:
        """The default macro architecture for inputs ``(n, channels, height, width)``."""
        _, inputs, height, width = shape
        return Network(
            classes=self._outputs,
            channels=self.channels,
            cells_per_stage=self.cells_per_stage,
            image_size=width,
            input_channels=inputs,
            dimensions=2 if height > 1 else 1,
            causal=self.about.causal,
            positions=self.about.positions,
            strided=self.about.strided if self.strided is None else self.strided,
            residual=self.residual,
        )

    @property
    def worst_loss(self) -> float:
        """The loss recorded of a network that diverged, see `Loss.worst`."""
        return self.trained.worst(self.classes)

    def losses(self, outputs: Any, targets: Any) -> Any:
        """The training loss of each network on a batch, shape ``(K,)``.

        Args:
            outputs: As networks answer, arranged or not: shape ``(K, batch, outputs[, …])``. Arrays
                give an array; tensors, with tensors for targets, one that can be differentiated.
            targets: As in `Split`, one batch of them.
        """
        outputs = self.arranged(outputs)
        if isinstance(outputs, np.ndarray):
            return self.trained.loss_and_gradient(outputs, targets)[0]
        return self.trained.each(outputs, targets).mean(1)

    def arranged(self, outputs: Any) -> Any:
        """Turn ``outputs`` of networks, an array or a tensor, into what losses and metrics take."""
        return pixels(outputs, self.classes) if self.about.shuffled else outputs

    def restored(self, gradient: Any) -> Any:
        """Turn a gradient with respect to arranged outputs into one by what networks answer."""
        return unshuffled(gradient, self._outputs) if self.about.shuffled else gradient

    def with_loss(self, loss: str | Loss) -> Task:
        """The same task trained by another loss, which its name then says.

        Args:
            loss: A name in `LOSSES`, ``file.py:LOSS``, or a loss.

        Raises:
            UserError: There is no such loss, or it does not fit.
        """
        # which is then read once for all losses
        task = replace(self, loss=loss, load=partial(getattr, self, "data"))
        if task.trained.name == self.trained.name:
            return self
        return replace(task, name=f"{self.name.partition('?')[0]}?loss={task.trained.name}")


def split_rng(stream: int = 0) -> np.random.Generator:
    """The random numbers of a task's data: splits are part of a task, not of a run."""
    return np.random.default_rng(stream)


Items = TypeVar("Items", bound=Sequence[Any] | Array)


def enough(items: Items, count: int, what: str) -> Items:
    """The first of some items.

    Args:
        items: In the order of the splits.
        count: How many are needed.
        what: What they are called in a message.

    Raises:
        UserError: There are fewer, as in another version of a package.
    """
    if len(items) < count:
        raise UserError(f"There are only {len(items)} of {count} {what}.")
    return items[:count]  # type: ignore[return-value]


def pooled(images: Array, block: int) -> Array:
    """Means of square blocks of pixels, which are the last two axes."""
    *others, height, width = images.shape
    parted = images.reshape(*others, height // block, block, width // block, block)
    means: Array = parted.mean((-3, -1))
    return means


def split_images(inputs: Array, targets: Array, sizes: Sequence[int]) -> Splits:
    """Shuffle examples, and cut them as `cut` does."""
    order = split_rng().permutation(len(inputs))
    return cut(inputs[order], targets[order], sizes)


def cut(inputs: Array, targets: Array, sizes: Sequence[int]) -> Splits:
    """Cut examples into splits, in the order given.

    Args:
        inputs: Shape ``(n, channels, height, width)``.
        targets: Shape ``(n, …)``.
        sizes: How many examples of each split.
    """
    stops = np.cumsum(sizes)
    parts = zip(SPLITS, stops - sizes, stops, strict=True)
    return {name: as_split(inputs[a:b], targets[a:b]) for name, a, b in parts}


def by_share(items: Array, shares: Sequence[float]) -> dict[str, Array]:
    """Cut shuffled items into parts by split, in proportion to the shares."""
    stops = (np.cumsum(shares) * (len(items) / sum(shares))).round().astype(int)
    return dict(zip(SPLITS, np.split(items, stops[:-1]), strict=True))


def standardise(splits: Splits) -> Splits:
    """Give every split mean 0 and deviation 1 by the training split's statistics, per channel."""
    inputs = splits["train"].inputs
    axes = (0, 2, 3)
    mean = inputs.mean(axes, np.float64, keepdims=True).astype(np.float32)
    deviation = inputs.std(axes, np.float64, ddof=1, keepdims=True).astype(np.float32)
    return {name: Split((x - mean) / deviation, y) for name, (x, y) in splits.items()}
