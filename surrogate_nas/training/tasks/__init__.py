"""Tasks by name. Each file of this folder defines a task. A user's own task is named by
``FILE.py:TASK``.
"""

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, partial
from typing import Any, NamedTuple, TypeAlias, TypeVar

import numpy as np

from surrogate_nas.core import (
    Registry,
    UserError,
    check_number,
    check_whole,
    is_installed,
    is_optional,
    missing,
    need,
    unknown,
)
from surrogate_nas.space.network import Network
from surrogate_nas.space.product import option_value
from surrogate_nas.training.losses import LOSSES, Loss, fitting, loss_named
from surrogate_nas.training.machine import Array as Array
from surrogate_nas.training.machine import as_array
from surrogate_nas.training.metrics import (
    METRICS,
    Diagnostic,
    Predictions,
    TaskMetric,
    sequences,
)

SPLITS = ("train", "valid", "test")


class Split(NamedTuple):
    """One part of a task's data: inputs and targets for training, validation or test.

    Attributes:
        inputs: Inputs of n examples as float32, shape ``(n, channels, height, width)``. Signals and
            texts have height 1.
        targets: Targets of n examples, shape ``(n, …)``. Depending on the kind of task, they are
            class numbers (int64), or values, images or boxes (float32).
    """

    inputs: Array
    targets: Array


Splits: TypeAlias = dict[str, Split]
Check: TypeAlias = Callable[[Array, Array, int], Array]
"""A function of inputs, targets and the number of classes that returns the targets in their own
type. The message of its `UserError` continues the sentence "the targets of …".
"""


def as_split(inputs: Array, targets: Array) -> Split:
    """Convert arrays of inputs and targets into a split. Integer targets become class numbers."""
    kind = np.int64 if np.issubdtype(targets.dtype, np.integer) else np.float32
    return Split(
        np.array(inputs, np.float32, order="C"), np.array(targets, kind, order="C")
    )


def checked(loaded: Any, check: Check, classes: int) -> Splits:
    """Check the splits of a task, and return them with float32 inputs and with targets of the right
    type.
    """
    if not isinstance(loaded, Mapping) or {*loaded} != {*SPLITS}:
        actual = [*loaded] if isinstance(loaded, Mapping) else type(loaded).__name__
        raise UserError(
            f"it must return the splits {', '.join(SPLITS)}, not {actual!s:.200}"
        )
    splits = {
        name: _split(loaded[name], f"its {name} split", check, classes)
        for name in SPLITS
    }
    for part in Split._fields:
        shapes = {getattr(split, part).shape[1:] for split in splits.values()}
        if len(shapes) > 1:
            raise UserError(
                f"its splits have {part} of different shapes:"
                f" {', '.join(map(str, sorted(shapes)))}"
            )
    return splits


def _split(pair: Any, where: str, check: Check, classes: int) -> Split:
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise UserError(
            f"{where} must be a Split or a pair of inputs and targets, not {type(pair).__name__}"
        )
    part = "inputs"
    try:
        inputs = _finite(_array(pair[0]))
        if inputs.ndim != 4 or not inputs.size:
            raise UserError(
                f"must have a shape (n, channels, height, width), not {inputs.shape}"
            )
        part = "targets"
        targets = _array(pair[1])
        if len(inputs) != len(targets):
            raise UserError(f"are {len(targets)} for {len(inputs)} inputs")
        targets = check(inputs, targets, classes)
    except UserError as error:
        raise UserError(f"the {part} of {where} {error}") from None
    return Split(inputs, np.ascontiguousarray(targets))


def _array(raw: Any) -> Array:
    try:
        array = np.atleast_1d(as_array(raw))
        if array.dtype.kind not in "biuf":
            raise TypeError(f"they are of the type {array.dtype}")
    except (TypeError, ValueError, RuntimeError) as error:
        raise UserError(
            f"are not an array of numbers ({type(error).__name__}: {error})"
        ) from error
    return array


def _finite(array: Array) -> Array:
    """Convert to float32; numbers that are too large become infinite."""
    with np.errstate(over="ignore"):
        single = np.ascontiguousarray(array, dtype=np.float32)
    if not np.isfinite(single).all():
        raise UserError("contain numbers that are not finite")
    return single


def _shaped(targets: Array, form: str, *shape: int) -> None:
    if targets.shape != shape:
        raise UserError(f"must be {form} of shape {shape}, not {targets.shape}")


def _values(inputs: Array, targets: Array, classes: int) -> Array:
    """Check for finite values, shape ``(n,)`` for one output, otherwise ``(n, outputs)``."""
    shape = (len(inputs), classes)[: 1 + (classes > 1)]
    _shaped(targets, "values, one for each output,", *shape)
    return _finite(targets)


def _images(inputs: Array, targets: Array, classes: int) -> Array:
    """Check for images of the size of the inputs, shape ``(n, outputs, height, width)``."""
    _shaped(targets, "images", len(inputs), classes, *inputs.shape[2:])
    return _finite(targets)


def _states(_inputs: Array, targets: Array, _classes: int) -> Array:
    """Check for start states of an environment: finite numbers, shape ``(n, …)``."""
    return _finite(targets)


def _one_class(inputs: Array, targets: Array, classes: int, *, axes: int = 0) -> Array:
    """Check for class numbers, one per example, or one at every position of the last `axes` axes of
    the inputs.
    """
    if axes == 1:
        _check_signals(inputs)
    return _numbers(targets, classes, len(inputs), *inputs.shape[4 - axes :])


def _class_sequences(inputs: Array, targets: Array, classes: int) -> Array:
    """Check for sequences of class numbers from 1 on, with zeros at the end, shape
    ``(n, longest)``.
    """
    _check_signals(inputs)
    longest = targets.shape[1] if targets.ndim > 1 else 1
    numbers = _numbers(targets, classes, len(inputs), longest)
    starts_late = (numbers[:, :-1] == 0) & (numbers[:, 1:] > 0)
    if starts_late.any() or not (numbers[:, 0] > 0).all():
        raise UserError(
            "must be sequences of at least one class from 1 on, with zeros only at the end"
        )
    return numbers


def _check_signals(inputs: Array) -> None:
    if inputs.shape[2] != 1:
        raise UserError(f"belong to inputs of height 1, not {inputs.shape[2]}")


def _boxes(_inputs: Array, targets: Array, classes: int) -> Array:
    """Check for the objects of each image, shape ``(n, most, 5)``: class or -1 for none, centre x
    and y, width and height in pixels.
    """
    if targets.ndim != 3 or targets.shape[2] != 5:
        raise UserError(f"must be boxes of shape (n, most, 5), not {targets.shape}")
    values = _finite(targets)
    kinds = values[:, :, 0]
    if not (kinds == kinds.round()).all() or kinds.min() < -1 or kinds.max() >= classes:
        raise UserError(
            f"must have classes from 0 to {classes - 1}, or -1 for no object"
        )
    return values


def _numbers(targets: Array, classes: int, *shape: int) -> Array:
    _shaped(targets, "class numbers", *shape)
    with np.errstate(invalid="ignore"):
        numbers = targets.astype(np.int64)
    if not (numbers == targets).all():
        raise UserError("must be whole numbers, the numbers of classes")
    least, most = int(numbers.min()), int(numbers.max())
    if least < 0 or most >= classes:
        raise UserError(
            f"range from {least} to {most}, but its {classes} classes from 0 to {classes - 1}"
        )
    return numbers


class Environment:
    """An environment for training policies. Episodes begin in given states, and end by themselves
    or after `longest` steps.

    Attributes:
        longest: Maximum number of steps in an episode.
        discount: The factor by which a reward counts less if it comes one step later.
        trace: The λ of generalised advantages (Schulman et al., ICLR 2016). With 1, advantages use
            only rewards. With 0, they use `value` after one step.

    Example:
        >>> import numpy as np
        >>> import surrogate_nas as sn
        >>> class Coin(sn.Environment):  # guess the side that shows
        ...     longest = 1
        ...
        ...     def observe(self, states):
        ...         return states[:, :, None, None].astype(np.float32)
        ...
        ...     def step(self, states, actions):
        ...         right = actions == states[:, 0]
        ...         return states, right.astype(float), np.ones(len(states), bool)
        ...
        ...     def greatest(self, states):
        ...         return np.ones(len(states))
        >>> Coin().starting({"train": np.array([[0], [1]])})["train"].inputs.shape
        (2, 1, 1, 1)
    """

    longest: int
    discount: float = 1.0
    trace: float = 1.0

    def observe(self, states: Array) -> Array:
        """Return what the policy observes in states ``(n, …)``, as a float32 array of shape
        ``(n, channels, height, width)``.

        Observations that are signals have height 1.
        """
        raise NotImplementedError

    def step(self, states: Array, actions: Array) -> tuple[Array, Array, Array]:
        """Take one action in each state. Return the next states, the rewards ``(n,)``, and whether
        each episode has ended ``(n,)``.

        Args:
            states: States of n episodes, shape ``(n, …)``. The method must not modify this array.
            actions: One action per episode, shape ``(n,)``, numbered from 0.
        """
        raise NotImplementedError

    def greatest(self, states: Array) -> Array:
        """Return the greatest possible discounted return from each state, shape ``(n,)``. Every
        greatest return must be above 0.
        """
        raise NotImplementedError

    def value(self, states: Array) -> Array:
        """Return an estimate of the future return from each state, shape ``(n,)``. The estimate is
        not learned.

        The estimate is the baseline of advantages, which is equivalent to potential-based shaping
        (Ng, Harada & Russell, ICML 1999; Wiewiora, JAIR 2003). The baseline changes how fast a
        policy learns, but not which policy is best.

        Args:
            states: States of n episodes, shape ``(n, …)``.
        """
        return np.zeros(len(states))

    def starting(self, states: Mapping[str, Array]) -> Splits:
        """Return splits whose targets are start states, and whose inputs are the policy's
        observations of these states.
        """
        return {
            name: as_split(self.observe(part), part) for name, part in states.items()
        }


@dataclass(frozen=True)
class Kind:
    """The properties that all tasks of one kind (such as classification) have in common.

    Attributes:
        name: The key of the kind of task in `KINDS`.
        loss: The name of the default training loss.
        measures: The names of the default metrics. The first is the task's main metric.
        check: A function that checks targets and returns them in their own type, or raises a
            `UserError`.
        positions: Whether the network has outputs at every position, instead of one output after
            pooling over positions.
        strided: Whether the height and width are halved between the stages of the network.
        causal: Whether the output at a position depends only on the inputs at this and at earlier
            positions.
        trainer: The key of the trainer in `surrogate_nas.training.engine.TRAINERS`.
        least: Minimum number of classes that a task of this kind needs.
        shuffled: Whether the outputs at one position may predict several pixels (see `pixels`).
        faults: A function from `Predictions` to a description of each network's failure. The
            description of a network without a failure is empty.
        of_images: Whether inputs must be images, not signals of height 1.
        every_pixel: Whether targets must have the height and width of the inputs.
    """

    name: str
    loss: str
    measures: tuple[str, ...]
    check: Check
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
    """Rearrange the outputs of a coarse grid into outputs for every pixel. This rearrangement is
    called a pixel shuffle (Shi et al., CVPR 2016).

    Args:
        answered: Outputs of the networks, an array or a tensor of shape
            ``(K, batch, classes·f², rows, columns)``.
        classes: Number of classes, or of other outputs per pixel.

    Returns:
        The outputs per pixel, shape ``(K, batch, classes, f·rows, f·columns)``.
    """
    count, batch, numbers, rows, columns = answered.shape
    finer = math.isqrt(numbers // classes)
    if finer == 1:
        return answered
    parted = answered.reshape(count * batch * classes, finer, finer, rows, columns)
    moved = parted.swapaxes(1, 3).swapaxes(2, 3).swapaxes(3, 4)
    return moved.reshape(count, batch, classes, finer * rows, finer * columns)


def unshuffled(shuffled: Any, outputs: int) -> Any:
    """Undo the rearrangement of `pixels`, for networks with ``outputs = classes·f²``."""
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
        Kind("classification", "cross_entropy", _OF_CLASSES, _one_class),
        Kind("regression", "squared", ("error", "mae"), _values, least=1),
        Kind(
            "reconstruction",
            "squared",
            ("auc",),
            _one_class,
            trainer="reconstruction",
        ),
        Kind(
            "images",
            "squared",
            ("mae", "psnr", "ssim"),
            _images,
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
            partial(_one_class, axes=1),
            positions=True,
            strided=False,
            causal=True,
        ),
        Kind(
            "sequence",
            "ctc",
            ("character_error", "text_error"),
            _class_sequences,
            positions=True,
            strided=False,
            faults=sequences.unaligned,
        ),
        Kind(
            "segmentation",
            "cross_entropy",
            ("error", "miou"),
            partial(_one_class, axes=2),
            positions=True,
            shuffled=True,
            of_images=True,
            every_pixel=True,
        ),
        Kind(
            "detection",
            "detection",
            ("missed", "iou"),
            _boxes,
            positions=True,
            of_images=True,
        ),
        Kind(
            "generation",
            "adversarial",
            ("frechet", "coverage"),
            _images,
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
            _states,
            trainer="policy",
        ),
    )
}


@dataclass(frozen=True)
class Schedule:
    """The settings of training by SGD with Nesterov momentum. The learning rate follows a cosine
    that falls to 0 at the last step.

    Attributes:
        epochs: The default number of training epochs.
        batch: Number of training examples per step. The last batch of an epoch may be smaller.
        learning_rate: Learning rate of the first step.
        momentum: Nesterov momentum.
        weight_decay: Weight decay that is applied to every parameter.

    Example:
        >>> import surrogate_nas as sn
        >>> sn.Schedule(epochs=8, batch=32).learning_rate
        0.1
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
    """A task on which cells are trained: its data, the outputs of the network, the training loss
    and the metrics.

    Attributes:
        name: The key of the task in `TASKS`.
        title: A description of the task in one line.
        load: A function that generates or reads the data. The function returns the splits by name,
            each a `Split` or a pair of arrays or tensors. The function `load` is called only once.
        classes: Number of classes. For other kinds of task, number of actions, of values, or of
            image channels to predict.
        kind: The key of the kind of task in `KINDS`.
        channels: Default number of channels in the first stage of the network.
        cells_per_stage: Default number of cells in each stage of the network.
        residual: Whether residual blocks join the stages of the network, as in the published macro
            architecture (see `Network`).
        schedule: The default training schedule.
        tolerance: For regression tasks, the largest deviation that does not count as an error.
        source: The origin of the data.
        packages: The import names of the packages that `load` needs.
        has_files: A function that returns whether further files that `load` needs are on this
            machine.
        loss: The training loss: a name in `LOSSES`, or a user's own loss; empty for the default of
            the kind of task.
        measures: Metrics in addition to the loss: names in `METRICS`, or a user's own metrics;
            empty for the defaults of the kind of task. The first metric in `measures` is the task's
            main metric.
        outputs: Number of outputs of the network (per position, if there are positions); None for
            one output per class.
        strided: Whether the height and width are halved between the stages of the network; None for
            the default of the kind of task.
        trainer: The key of the trainer in `surrogate_nas.training.engine.TRAINERS`; empty for the
            default of the kind of task.
        environment: The environment in which a policy acts, for tasks that train policies.
        label_noise: Share of the labels in the training and validation splits that are replaced by
            another class, chosen uniformly. The same labels are replaced for every cell and seed.
            With label noise, the metrics ``valid_clean_loss`` and ``valid_clean_METRIC`` use the
            correct labels. Label noise is possible for tasks whose targets are classes:
            classification, language modelling and segmentation.
        train_share: Share of the training examples that is used. The subset is random but fixed.
            The chosen training examples are repeated up to the original number, so that an epoch
            has the same number of steps.

    Example:
        >>> import numpy as np
        >>> import surrogate_nas as sn
        >>> def halves():
        ...     images = np.random.default_rng(0).standard_normal((300, 1, 8, 8))
        ...     labels = images[:, 0, :, :4].mean((1, 2)) > images[:, 0, :, 4:].mean(
        ...         (1, 2)
        ...     )
        ...     return cut(images, labels * 1, (200, 50, 50))
        >>> task = Task(
        ...     "halves", "which half of the noise is brighter?", halves, classes=2
        ... )
        >>> (curve,) = sn.train([sn.nb201()[11]], task, epochs=3)
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
    label_noise: float = 0.0
    train_share: float = 1.0

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise UserError(
                f"The name of a task must be a text, not {self.name!r:.80}."
            )
        if self.kind not in KINDS:
            raise unknown("kind of task", self.kind, KINDS)
        for name in ("classes", "channels", "cells_per_stage", "_outputs"):
            what = f"The {name.lstrip('_')} of the task {self.name}"
            check_whole(
                what, getattr(self, name), self.about.least if name == "classes" else 1
            )
        for name, above in _SHARES.items():
            value = getattr(self, name)
            check_number(
                f"The {name} of the task {self.name}", value, 0, 1, above=above
            )
        if self.label_noise and self.about.loss != "cross_entropy":
            raise UserError(
                f"The {self.kind} task {self.name} takes no label_noise:"
                " its targets are not classes."
            )

    @property
    def about(self) -> Kind:
        """The properties that all tasks of this kind have in common."""
        return KINDS[self.kind]

    def is_here(self) -> bool:
        """Return whether the task's data can be loaded without network access."""
        return all(map(is_installed, self.packages)) and self.has_files()

    @cached_property
    def data(self) -> Splits:
        """The splits ``train``, ``valid`` and ``test`` that are used for training and evaluation.

        Raises:
            UserError: See `clean`.
        """
        splits = dict(self.clean)
        for stream, name in enumerate(SPLITS[:2] if self.label_noise else ()):
            rng = split_rng(_NOISE_STREAM + stream)
            inputs, targets = splits[name]
            noisy = _noisy(targets, self.classes, self.label_noise, rng)
            splits[name] = Split(inputs, noisy)
        if self.train_share < 1:
            n = len(splits["train"].targets)
            order = split_rng(_SHARE_STREAM).permutation(n)
            used = np.resize(order[: math.ceil(self.train_share * n)], n)
            inputs, targets = splits["train"]
            splits["train"] = Split(inputs[used], targets[used])
        return splits

    @cached_property
    def clean(self) -> Splits:
        """The splits without label noise, with all training examples.

        Raises:
            UserError: The task's data is not available or is invalid, or the task's own code
                failed.
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
        """Raise a `UserError` for inputs or numbers of outputs that no network of the task can be
        trained with.
        """
        _, channels, height, width = shape
        if height == 1 and self.about.of_images:
            raise UserError(
                f"its inputs have height 1, but the kind {self.kind} needs square images"
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
                f"it has {self._outputs} outputs for inputs of {channels} × {height} × {width};"
                f" set outputs={size}"
            )
        positions = self._network_for(shape).stages[-1][1]
        finer, remainder = divmod(width, positions)
        shuffled = self.about.shuffled and not remainder
        right = self.classes * finer**2
        fits = self._outputs == right and (finer == 1 or shuffled)
        if self.about.every_pixel and not fits:
            either = f"outputs={right} or " if shuffled and finer > 1 else ""
            raise UserError(
                f"it has {self._outputs} outputs at {positions} × {positions} positions for images"
                f" of {height} × {width}; set {either}strided=False and no outputs"
            )

    @property
    def _outputs(self) -> int:
        return self.classes if self.outputs is None else self.outputs

    @cached_property
    def trained(self) -> Loss:
        """The training loss.

        Raises:
            UserError: There is no loss of this name, or the loss does not fit this kind of task.
        """
        loss = self.loss or self.about.loss
        if isinstance(loss, str):
            loss = loss_named(loss)
        if self.kind not in loss.fits:
            raise UserError(
                f"The loss {loss.name} does not fit the {self.kind} task {self.name}; losses that"
                f" fit: {', '.join(fitting(self.kind))}."
            )
        return loss

    @cached_property
    def measured(self) -> tuple[TaskMetric, ...]:
        """The metrics that are computed in addition to the loss. The first is the task's main
        metric.

        Raises:
            UserError: There is no metric of this name.
        """
        named = self.measures or self.about.measures
        found = [
            METRICS.find(metric) if isinstance(metric, str) else metric
            for metric in named
        ]
        if self.label_noise:
            unit = self.trained.unit
            loss = TaskMetric("loss", "", unit, "loss", self.worst_loss, batch_loss)
            found += [
                replace(
                    metric,
                    name=f"clean_{metric.name}",
                    title=f"{metric.name} with the correct labels",
                    of=partial(_on_clean_labels, metric.of),
                    when="epoch",
                )
                for metric in (loss, found[0])
            ]
        return tuple(found)

    @cached_property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """All metrics that a training on this task records, in the order of a report."""
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
        """A digest of the task's data and of all settings that determine the result of a training.
        The task's own code is not included.

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
        """Return the macro architecture that fits this task's inputs.

        Args:
            channels: Number of channels in the first stage; None for the task's default.
            cells_per_stage: Number of cells in each stage; None for the task's default.
        """
        network = self._network_for(self.data["train"].inputs.shape)
        settings: dict[str, Any] = {
            "channels": channels,
            "cells_per_stage": cells_per_stage,
        }
        return replace(network, **{k: v for k, v in settings.items() if v is not None})

    def _network_for(self, shape: tuple[int, ...]) -> Network:
        """Return the default macro architecture for inputs ``(n, channels, height, width)``."""
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
        """The finite loss that is recorded for a diverged network (see `Loss.worst`)."""
        return self.trained.worst(self.classes)

    def losses(self, outputs: Any, targets: Any) -> Any:
        """Return the training loss of each of K networks on a batch, shape ``(K,)``.

        Args:
            outputs: Outputs of the networks, before or after `Task.arranged`, shape
                ``(K, batch, outputs[, …])``. If outputs and targets are arrays, the result is an
                array. If they are tensors, the result is a differentiable tensor.
            targets: Targets of the batch, in the form of `Split.targets`.
        """
        outputs = self.arranged(outputs)
        if isinstance(outputs, np.ndarray):
            return self.trained.loss_and_gradient(outputs, targets)[0]
        return self.trained.each(outputs, targets).mean(1)

    def arranged(self, outputs: Any) -> Any:
        """Rearrange the outputs of networks, an array or a tensor, into the shape that the task's
        losses and metrics expect.
        """
        return pixels(outputs, self.classes) if self.about.shuffled else outputs

    def restored(self, gradient: Any) -> Any:
        """Convert a gradient with respect to rearranged outputs (see `Task.arranged`) into the
        gradient with respect to the networks' original outputs.
        """
        return unshuffled(gradient, self._outputs) if self.about.shuffled else gradient

    def with_loss(self, loss: str | Loss) -> "Task":
        """Return the same task with another training loss. The name of the loss becomes part of the
        task's name.

        Args:
            loss: The new loss: a name in `LOSSES`, ``FILE.py:LOSS``, or a `Loss`.

        Raises:
            UserError: There is no loss of this name, or the loss does not fit this kind of task.
        """
        # which is then read once for all losses
        task = replace(self, loss=loss, load=partial(getattr, self, "clean"))
        if task.trained.name == self.trained.name:
            return self
        name, options = parted(self.name)
        return replace(task, name=joined(name, {**options, "loss": task.trained.name}))

    def with_weight_decay(self, weight_decay: float) -> "Task":
        """Return the same task with another weight decay, which must be at least 0."""
        schedule = replace(self.schedule, weight_decay=weight_decay)
        return replace(self, schedule=schedule, load=partial(getattr, self, "clean"))


def batch_loss(predictions: Predictions) -> Any:
    """Return the training loss of each of K networks, averaged over the examples of some
    predictions, shape ``(K,)``.
    """
    return predictions.task.losses(predictions.outputs, predictions.targets)


def _on_clean_labels(of: Callable[[Predictions], Any], predictions: Predictions) -> Any:
    """Return a metric with the correct labels, on a split whose labels may be noisy."""
    task = predictions.task
    is_split = [split.targets is predictions.targets for split in task.data.values()]
    clean = [*task.clean.values()][is_split.index(True)]
    return of(replace(predictions, targets=clean.targets))


# The first are those of the tasks' own splits.
_NOISE_STREAM = 1000
_SHARE_STREAM = 2000
# Options of a task that are shares, and whether one of 0 is refused.
_SHARES = {"label_noise": False, "train_share": True}


def _noisy(
    targets: Array, classes: int, share: float, rng: np.random.Generator
) -> Array:
    """Replace a share of class numbers by other classes, chosen uniformly."""
    noisy = targets.ravel().copy()
    chosen = rng.permutation(noisy.size)[: round(share * noisy.size)]
    steps = rng.integers(1, classes, chosen.size)
    noisy[chosen] = (noisy[chosen] + steps) % classes
    return noisy.reshape(targets.shape)


def split_rng(stream: int = 0) -> np.random.Generator:
    """Return the random number generator for generating a task's data. The generator's seed is
    fixed, so all trainings use the same splits.
    """
    return np.random.default_rng(stream)


Items = TypeVar("Items", bound=Sequence[Any] | Array)


def enough(items: Items, count: int, what: str) -> Items:
    """Return the first `count` items of a sequence that is long enough.

    Args:
        items: All available items, in the order in which the splits use them.
        count: Number of items that the task needs.
        what: The name of the items in error messages.

    Raises:
        UserError: There are fewer items than needed, for example in another version of a package.
    """
    if len(items) < count:
        raise UserError(f"There are only {len(items)} of {count} {what}.")
    return items[:count]  # type: ignore[return-value]


def pooled(images: Array, block: int) -> Array:
    """Return the means of square blocks of pixels. The last two axes are height and width."""
    *others, height, width = images.shape
    parted = images.reshape(*others, height // block, block, width // block, block)
    means: Array = parted.mean((-3, -1))
    return means


def split_images(inputs: Array, targets: Array, sizes: Sequence[int]) -> Splits:
    """Shuffle examples, and divide them into splits as `cut` does.

    Example:
        >>> import surrogate_nas as sn
        >>> images, labels = np.zeros((8, 1, 4, 4)), np.arange(8) % 2
        >>> splits = sn.split_images(images, labels, (4, 2, 2))
        >>> {name: len(split.targets) for name, split in splits.items()}
        {'train': 4, 'valid': 2, 'test': 2}
    """
    order = split_rng().permutation(len(inputs))
    return cut(inputs[order], targets[order], sizes)


def cut(inputs: Array, targets: Array, sizes: Sequence[int]) -> Splits:
    """Divide examples into a training, a validation and a test split, in the given order.

    Args:
        inputs: Inputs of n examples, shape ``(n, channels, height, width)``.
        targets: Targets of n examples, shape ``(n, …)``.
        sizes: Number of examples in the training, the validation and the test split.
    """
    stops = np.cumsum(sizes)
    parts = zip(SPLITS, stops - sizes, stops, strict=True)
    return {name: as_split(inputs[a:b], targets[a:b]) for name, a, b in parts}


def by_share(items: Array, shares: Sequence[float]) -> dict[str, Array]:
    """Divide shuffled items among the splits, in proportion to given shares."""
    stops = (np.cumsum(shares) * (len(items) / sum(shares))).round().astype(int)
    return dict(zip(SPLITS, np.split(items, stops[:-1]), strict=True))


def standardise(splits: Splits) -> Splits:
    """Standardise all splits, separately for each channel, with the mean and standard deviation of
    the training split.
    """
    inputs = splits["train"].inputs
    axes = (0, 2, 3)
    mean = inputs.mean(axes, np.float64, keepdims=True).astype(np.float32)
    deviation = inputs.std(axes, np.float64, ddof=1, keepdims=True).astype(np.float32)
    return {name: Split((x - mean) / deviation, y) for name, (x, y) in splits.items()}


NOTHING = -1
"""The number of a position after the end of a sequence."""


def numbered(
    sequences: Sequence[Sequence[str]] | Array, symbols: Sequence[str], length: int
) -> Array:
    """Replace each symbol of some sequences by the symbol's index in a list. The result has shape
    ``(n, length)``, with `NOTHING` after the end of a sequence.

    Args:
        sequences: Texts or other sequences of symbols, none longer than `length`.
        symbols: All symbols that occur in the sequences.
        length: Number of positions in the result.
    """
    index = {symbol: number for number, symbol in enumerate(symbols)}
    numbers = np.full((len(sequences), length), NOTHING, np.int64)
    for row, sequence in zip(numbers, sequences, strict=True):
        row[: len(sequence)] = [index[symbol] for symbol in sequence]
    return numbers


def one_hot(numbers: Array, kinds: int) -> Array:
    """Convert numbers of symbols ``(n, length)`` to one-hot channels, shape
    ``(n, kinds, 1, length)``. All channels are 0 for `NOTHING`.
    """
    is_kind = numbers[:, None, None] == np.arange(kinds)[:, None, None]
    return np.asarray(is_kind, np.float32)


def next_ones(numbers: Array, kinds: int, sizes: Sequence[int]) -> Splits:
    """Return splits for language modelling. Inputs are one-hot symbols, and the target at every
    position is the next symbol.

    Args:
        numbers: Sequences of symbols as numbers, shape ``(n, positions + 1)``, in the order of the
            splits.
        kinds: Number of different symbols.
        sizes: Number of sequences in the training, the validation and the test split.
    """
    return cut(one_hot(numbers[:, :-1], kinds), numbers[:, 1:], sizes)


NUMBERS_SINCE = "0.1.0"
"""The release since which trainings give the same numbers. It is raised when they change, so that
results from before and after are not mixed. A test compares it with shipped tables.
"""

TASKS = Registry(
    "task",
    Task,
    folder=__name__,
    attribute="TASK",
    first=(
        "digits",
        "fashion",
        "mnist1d",
        "rotation",
        "detection",
        "segmentation",
        "denoising",
        "generation",
        "text",
        "languages",
        "translation",
        "vowels",
        "letters",
        "sounds",
        "forecasting",
        "anomaly",
        "cartpole",
        "gridworld",
        "scripture",
        "bytecode",
        "words",
        "splice",
        "photographs",
        "mnist8",
        "glyphs",
        "life",
        "spelling",
        "speech_words",
        "chessboard",
        "cifar8",
        "hyphens",
    ),
    group="surrogate_nas.tasks",
)
"""Every task by name; its data is read on first use."""


OPTIONS = {"loss": "LOSS", **dict.fromkeys(_SHARES, "SHARE")}
"""The options that may follow a task's name, as in ``digits?loss=focal&label_noise=0.3``."""


def task_named(name: str) -> Task:
    """Return the task with a given name, with the options in the name applied.

    Args:
        name: A key of `TASKS`, or the ``path/to/file.py:NAME`` of a user's `Task`. Options may
            follow: ``?loss=NAME``, ``?label_noise=SHARE`` and ``?train_share=SHARE``, joined by
            ``&`` (see `Task`).

    Raises:
        UserError: There is no task or file of this name, the file fails to import or has no such
            task, or an option does not fit the task.

    Example:
        >>> task = task_named("fashion?loss=focal")
        >>> task.name, task.classes, task.schedule.epochs
        ('fashion?loss=focal', 10, 5)
        >>> task_named("digits?label_noise=0.3").label_noise
        0.3
    """
    key, options = parted(name)
    task = TASKS.find(key)
    loss = options.pop("loss", "")
    task = task.with_loss(loss) if loss else task
    if not options:
        return task
    shares = {option: option_value(options[option]) for option in options}
    key, held = parted(task.name)
    name = joined(key, held | options)
    return replace(task, name=name, load=partial(getattr, task, "clean"), **shares)


def parted(name: str) -> tuple[str, dict[str, str]]:
    """Split a name ``TASK?OPTION=VALUE&OPTION=VALUE`` into the task and a dict of its options, in
    the order of `OPTIONS`.
    """
    task, mark, rest = name.partition("?")
    pairs = [part.partition("=") for part in rest.split("&")] if mark else []
    options = {option: value for option, _, value in pairs if value}
    if len(options) < len(pairs) or options.keys() - OPTIONS.keys():
        right = ", ".join(f"{option}={value}" for option, value in OPTIONS.items())
        raise UserError(
            f"A task's name may be followed only by ? and {right}, joined by &, not ?{rest:.80}."
        )
    return task, {option: options[option] for option in OPTIONS if option in options}


def joined(task: str, options: Mapping[str, str]) -> str:
    """Join a task and its options into one name. The function is the inverse of `parted`."""
    rest = "&".join(f"{name}={options[name]}" for name in OPTIONS if name in options)
    return f"{task}?{rest}" if rest else task


def respelt(name: str, change: Callable[[str], str]) -> str:
    """Apply a function to the parts of a task's name, that is, the task and the value of every
    option. Return the new name.
    """
    task, options = parted(name)
    return joined(change(task), {key: change(options[key]) for key in options})


def code_of(name: str) -> str:
    """Return an identifier of the code that defines a task and its loss: `NUMBERS_SINCE`, and a
    digest of the user's files.

    The identifier does not cover modules that a user's file imports. The task's data are covered by
    `Task.digest` instead.
    """
    task, options = parted(name)
    codes = (NUMBERS_SINCE, TASKS.code(task), LOSSES.code(options.get("loss", "")))
    return " ".join(code for code in codes if code)


def is_theirs(name: str) -> bool:
    """Return whether the code of a task or of its loss is in a user's file or in another installed
    package.
    """
    task, options = parted(name)
    is_own_loss = options.get("loss") in LOSSES.points()
    return ":" in name or task in TASKS.points() or is_own_loss
