"""Losses by name. Each file of this folder defines a family of losses. A user's own loss is named
by ``FILE.py:LOSS``.

The outputs of K networks, shape ``(K, batch, outputs[, positions…])``, may have any memory layout.
Often, the batch is the innermost axis. A gradient has the same memory layout as the outputs,
because rearranging an array would take longer than computing the loss.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from surrogate_nas.core import Registry, UserError, check_number, in_a_line
from surrogate_nas.training.machine import Array, Gradient, as_array, loaded, log

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Loss:
    """A training loss. Smaller values are better.

    A loss is defined either by the NumPy function `gradient`, or by the PyTorch function `each`,
    which is differentiated automatically. If only `gradient` is given, the function `each` is
    derived from it.

    Attributes:
        name: The key of the loss in `LOSSES`.
        title: A description of the loss in one line, with the paper that introduced it.
        unit: The unit of the loss, such as nats.
        fits: The kinds of task that can be trained with the loss.
        each: A function that computes the losses ``(K, batch)`` of K networks. The arguments of
            `each` are two tensors: the outputs ``(K, batch, outputs[, positions…])`` and the
            targets ``(batch, …)``, which all networks share. The losses must be differentiable with
            respect to the outputs.
        chance: A function from the number of classes to the loss at chance level, that is, the loss
            of uniform probabilities. For targets that are not classes, the chance level is the loss
            of a constant output, which the loss's module describes.
        comparable: A name that several losses share if their values can be compared with each
            other.
        gradient: A function from arrays of outputs and targets to the losses ``(K, batch)`` and the
            gradient of their mean over the batch. The gradient has the shape of the outputs; None
            to differentiate the function `each` instead.

    Example:
        >>> import surrogate_nas as sn
        >>> zero_one = sn.Loss(
        ...     name="zero_one",
        ...     title="how far the right class is from 1, a bounded loss",
        ...     unit="share",
        ...     fits=("classification",),
        ...     each=lambda outputs, targets: (
        ...         1
        ...         - outputs.softmax(2).gather(
        ...             2, targets.expand(len(outputs), -1)[..., None]
        ...         )
        ...     ).squeeze(2),
        ...     chance=lambda classes: 1 - 1 / classes,
        ...     comparable="zero_one",
        ... )
        >>> zero_one.chance(4)
        0.75
    """

    name: str
    title: str
    unit: str
    fits: tuple[str, ...]
    each: Callable[[Tensor, Tensor], Tensor] = None  # type: ignore[assignment]
    chance: Callable[[int], float] = None  # type: ignore[assignment]
    comparable: str = ""
    gradient: Gradient | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if self.gradient is not None:
            silent = partial(_silent, self.gradient)
            object.__setattr__(self, "gradient", silent)
            if self.each is None:
                object.__setattr__(self, "each", partial(_from_gradient, silent))
        rules: dict[str, tuple[Any, list[str]]] = {
            "a text": (str, ["name", "title", "unit", "comparable"]),
            "a tuple of kinds of task": (tuple, ["fits"]),
            "a function": (Callable, ["each", "chance"]),
        }
        for right, (kind, names) in rules.items():
            for name in names:
                value = getattr(self, name)
                if not isinstance(value, kind) or not value:
                    raise UserError(
                        f"The {name} of the loss {self.name!s:.80} must be {right}, not"
                        f" {value!r:.80}."
                    )

    def loss_and_gradient(self, outputs: Any, targets: Array) -> tuple[Array, Any]:
        """Return each network's mean loss, shape ``(K,)``, and the gradient of the sum of these
        losses with respect to the outputs.

        Args:
            outputs: The networks' outputs, an array or a tensor, in the shape that `Loss.each`
                expects. The returned gradient has the same type as the outputs.
            targets: The targets as an array, in the shape that `Loss.each` expects.
        """
        is_array = isinstance(outputs, np.ndarray)
        if self.gradient is not None:
            values, gradient = self.gradient(as_array(outputs), targets)
            if not is_array:
                gradient = loaded().as_tensor(gradient, device=outputs.device)
            return values.mean(1, dtype=np.float64), gradient
        torch = loaded()
        leaf = torch.as_tensor(outputs).detach().requires_grad_()
        with torch.enable_grad():
            losses = self.each(leaf, torch.as_tensor(targets, device=leaf.device)).mean(
                1
            )
            (gradient,) = torch.autograd.grad(losses.sum(), leaf)
        if is_array:
            gradient = gradient.numpy()
        return as_array(losses).astype(np.float64), gradient

    @property
    def guarded(self) -> Loss:
        """The same user-defined loss, but with exceptions converted to errors of one line."""
        each = partial(_checked_each, self.each, self.name)
        if self.gradient is None:
            return replace(self, each=each)
        checked = partial(_checked_gradient, self.gradient, self.name)
        return replace(self, each=each, gradient=checked)

    def worst(self, classes: int) -> float:
        """Return the finite value that is recorded for the loss of a diverged network: ten times
        the loss at chance level.

        Args:
            classes: Number of classes of the task.

        Raises:
            UserError: The loss at chance level is not a finite number above 0.
        """
        return 10 * check_number(
            f"The loss {self.name} at chance level", self.chance(classes), above=True
        )


def always(value: float) -> Callable[[int], float]:
    """Return a function for `Loss.chance` that has the same value for any number of classes."""
    return lambda _: value


def _silent(gradient: Gradient, outputs: Array, targets: Array) -> tuple[Array, Array]:
    with np.errstate(all="ignore"):  # what diverges is noted
        return gradient(outputs, targets)


def _from_gradient(gradient: Gradient, outputs: Tensor, targets: Tensor) -> Tensor:
    """`Loss.each` of a loss that is defined in NumPy; it can be differentiated twice."""
    from surrogate_nas.training.autograd import _Value

    losses: Tensor = _Value.apply(  # type: ignore[no-untyped-call]
        outputs, as_array(targets), gradient
    )
    return losses


def _checked_each(
    each: Callable[[Tensor, Tensor], Tensor],
    name: str,
    outputs: Tensor,
    targets: Tensor,
) -> Tensor:
    torch = loaded()
    try:
        losses = each(outputs, targets)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        raise _failure(name, error) from error
    shape = tuple(outputs.shape[:2])
    is_tensor = isinstance(losses, torch.Tensor)
    if not is_tensor or losses.shape != shape or not losses.is_floating_point():
        result = (
            f"{losses.dtype} of shape {tuple(losses.shape)}" if is_tensor else losses
        )
        raise UserError(
            f"The loss {name} must return a number for each network and example, {shape}, not"
            f" {result!s:.80}."
        )
    if outputs.requires_grad and not losses.requires_grad:
        raise UserError(
            f"The loss {name} has no gradient: it must consist of PyTorch operations on the"
            " outputs."
        )
    return losses


def _checked_gradient(
    gradient: Gradient, name: str, outputs: Array, targets: Array
) -> tuple[Array, Array]:
    try:
        values, by_outputs = gradient(outputs, targets)
    except Exception as error:
        raise _failure(name, error) from error
    shapes = (np.shape(values), np.shape(by_outputs))
    expected = (outputs.shape[:2], outputs.shape)
    if shapes != expected:
        raise UserError(
            f"The gradient of the loss {name} must return arrays of the shapes {expected}, not"
            f" {shapes}."
        )
    return np.asarray(values), np.asarray(by_outputs, dtype=outputs.dtype)


def _failure(name: str, error: Exception) -> UserError:
    return UserError(f"The loss {name} failed: {in_a_line(error)}.")


# Between these no term that matters was lost or too large, nor is a quotient, in either
# precision.
_CALM = (1e-15, 1e15)
# Elements from which halving beats a reduction over an axis that is not the innermost one.
_LARGE = 1 << 12


def softened(outputs: Array) -> tuple[Array, Array, Array | float]:
    """Return the exponentials of outputs, the sum of the exponentials over classes, and the number
    that was subtracted from the outputs before.

    The maximum over classes is subtracted from the outputs only if the sums would otherwise become
    too large or too small.
    """
    raised = np.exp(outputs)
    total = summed(raised)
    if total.size and total.min() > _CALM[0] and total.max() < _CALM[1]:
        return raised, total, 0.0
    top = np.maximum.reduce(outputs, axis=2, keepdims=True)
    np.subtract(outputs, top, out=raised)
    np.exp(raised, out=raised)
    return raised, summed(raised), top


def summed(values: Array) -> Array:
    """Return the sum over the axis of classes. The result keeps this axis, with length 1."""
    terms = values
    while terms.shape[2] > 1 and terms.size > _LARGE:
        half, odd = divmod(terms.shape[2], 2)
        halved: Array = terms[:, :, :half] + terms[:, :, half : 2 * half]
        if odd:
            halved[:, :, :1] += terms[:, :, -1:]
        terms = halved
    if terms.shape[2] > 1 or terms is values:
        terms = np.add.reduce(terms, axis=2, keepdims=True)
    return terms


def target_indices(values: Array, targets: Array) -> Array:
    """Return the index of the target's class in ``values.ravel("K")``, for every network, example
    and position.

    The argument `values` has the shape ``(K, batch, classes[, positions…])`` and no gaps in memory.
    The result has the same memory layout as `values`.
    """
    firsts, step = _firsts(values.shape, values.strides)
    right: Array = np.multiply(targets, step, out=np.empty_like(firsts))
    right += firsts
    return right


@lru_cache(maxsize=32)
def _firsts(shape: tuple[int, ...], strides: tuple[int, ...]) -> tuple[Array, int]:
    """Return the index of the first class, and the distance between two classes in memory."""
    order = np.argsort(strides, kind="stable")[::-1]
    numbers = (
        np.arange(math.prod(shape))
        .reshape([shape[axis] for axis in order])
        .transpose(np.argsort(order))
    )
    first = numbers[:, :, 0].copy(order="K")
    return first, int(numbers[:, :, -1].flat[0] - first.flat[0]) // max(shape[2] - 1, 1)


class Softmax(NamedTuple):
    """The parts of a softmax before its division by the sum of exponentials, together with the
    targets' classes.

    Attributes:
        raised: Exponentials of the outputs, shape ``(K, batch, classes[, positions…])``, as a new
            array.
        total: Sum of the exponentials over classes, shape ``(K, batch, 1[, positions…])``.
        top: The number that was subtracted from the outputs before computing exponentials (see
            `softened`).
        flat: A view of the exponentials as a flat array, in the order of memory.
        right: The indices in `flat` of the targets' classes, shape ``(K, batch[, positions…])``.
        of_right: The exponentials of the targets' classes.
        logs: The log-probabilities of the targets' classes.
    """

    raised: Array
    total: Array
    top: Array | float
    flat: Array
    right: Array
    of_right: Array
    logs: Array


def softmax_of(outputs: Array, targets: Array) -> Softmax:
    """Return the parts of the softmax of scores over classes, together with the targets'
    classes.
    """
    raised, total, top = softened(outputs)
    flat = raised.ravel("K")
    right = target_indices(raised, targets)
    of_right = flat[right]
    if isinstance(top, float) and of_right.size and of_right.min() > _CALM[0]:
        logs = np.log(of_right / total[:, :, 0])
    else:
        lowered = np.subtract(outputs, top, out=np.empty_like(raised))
        logs = lowered.ravel("K")[right] - np.log(total[:, :, 0])
    return Softmax(raised, total, top, flat, right, of_right, logs)


def of_right(
    outputs: Array,
    targets: Array,
    loss_of: Callable[[Array], tuple[Array, Array | float]],
) -> tuple[Array, Array]:
    """Return the values and the gradient of a loss that depends only on the log-probability of the
    target's class.

    The argument `loss_of` is a function from log-probabilities ``(K, batch[, positions…])`` to
    losses and their derivatives.
    """
    softmax = softmax_of(outputs, targets)
    values, derivative = loss_of(softmax.logs)
    derivative = derivative * share(outputs)
    factor = np.divide(-derivative, softmax.total[:, :, 0], out=softmax.total[:, :, 0])
    gradient = np.multiply(softmax.raised, softmax.total, out=softmax.raised)
    softmax.flat[softmax.right] = softmax.of_right * factor + derivative
    return averaged(values), gradient


def share(outputs: Array) -> float:
    """Return the weight of one example, or of one position of an example, in the mean
    over a batch.
    """
    positions = outputs.shape[1] * math.prod(outputs.shape[3:])
    return 1 / float(positions)


def averaged(values: Array) -> Array:
    """Return the mean of losses over all axes except networks and examples, shape ``(K,
    batch)``.
    """
    if values.ndim == 2:
        return values
    total: Array = np.add.reduce(values, axis=tuple(range(2, values.ndim)))
    return total / math.prod(values.shape[2:])


def softplus(x: Array) -> tuple[Array, Array]:
    """Return ``log(1 + exp(x))`` and its derivative. For x above 20, the function is x and its
    derivative is 1, as in PyTorch.
    """
    raised = np.exp(np.minimum(x, 20))
    values = log(1 + raised.astype(float)).astype(x.dtype)
    derivative = raised / (1 + raised)
    is_straight = x > 20
    return np.where(is_straight, x, values), np.where(is_straight, 1, derivative)


LOSSES = Registry(
    "loss",
    Loss,
    folder=__name__,
    attribute="FAMILY",
    first=("classes", "boxes", "numbers", "sequences", "images"),
    group="surrogate_nas.losses",
)
"""Every training loss by name."""


def loss_named(name: str) -> Loss:
    """Return the loss with a given name."""
    loss = LOSSES.find(name)
    return loss if name in LOSSES else loss.guarded


def fitting(kind: str) -> tuple[str, ...]:
    """Return the names of all losses with which a kind of task can be trained, in the order of
    `LOSSES`.
    """
    return tuple(name for name, loss in LOSSES.items() if kind in loss.fits)
