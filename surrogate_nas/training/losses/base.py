"""What a loss is: a differentiable value of every example, with its unit and what it may be
compared with.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from surrogate_nas.core.arguments import check_number
from surrogate_nas.core.errors import UserError
from surrogate_nas.training.arrays import Array, as_array
from surrogate_nas.training.machine import loaded

if TYPE_CHECKING:  # a list of losses needs no PyTorch
    from torch import Tensor

Slope: TypeAlias = Callable[[Array, Array], tuple[Array, Array]]
"""From outputs and targets to the loss of every network on every example, and a gradient by the
outputs.
"""


@dataclass(frozen=True)
class Loss:
    """A training loss; smaller is better.

    Attributes:
        name: The key in `LOSSES`.
        title: One line saying what it is, with the paper.
        unit: Of its values.
        fits: The kinds of task that it can train.
        each: From outputs ``(K, batch, outputs[, positions…])`` of K networks and their common
            targets ``(batch, …)`` to the loss of every network on every example, shape
            ``(K, batch)``, differentiable by the outputs.
        chance: From the number of classes to the value of knowing nothing: of uniform answers, or,
            without classes, of the constant answer that its file names. Ten times it is the worst
            that is recorded.
        comparable: Losses whose values may be compared share this word.
        slope: The same in NumPy, which needs no PyTorch: from arrays of outputs and targets to what
            `each` gives, and the gradient of its mean over the batch, in the shape of the outputs;
            None to differentiate `each`.
    """

    name: str
    title: str
    unit: str
    fits: tuple[str, ...]
    each: Callable[[Tensor, Tensor], Tensor]
    chance: Callable[[int], float]
    comparable: str
    slope: Slope | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        for name in ("name", "title", "unit", "comparable"):
            if not isinstance(getattr(self, name), str) or not getattr(self, name):
                raise UserError(f"The {name} of a loss is a text, not {getattr(self, name)!r:.80}.")
        if not isinstance(self.fits, tuple) or not self.fits:
            raise UserError(
                f"The loss {self.name} fits a tuple of kinds of task, not {self.fits!r:.80}."
            )
        for name in ("each", "chance", *(["slope"] if self.slope is not None else [])):
            if not callable(getattr(self, name)):
                raise UserError(
                    f"The {name} of the loss {self.name} is a function, not"
                    f" {getattr(self, name)!r:.80}."
                )

    def descent(self, outputs: Any, targets: Array) -> tuple[Array, Any]:
        """The mean loss of every network, shape ``(K,)`` float64, and the gradient of their sum by
        the outputs.

        Args:
            outputs: As `each` takes them, an array or a tensor on any device.
            targets: Likewise, an array.

        Returns:
            The gradient is an array or a tensor as the outputs are.
        """
        if self.slope is not None and isinstance(outputs, np.ndarray):
            each, gradient = self.slope(outputs, targets)
            return each.mean(1, dtype=np.float64), gradient
        torch = loaded()
        leaf = torch.as_tensor(outputs).detach().requires_grad_()
        with torch.enable_grad():
            losses = self.each(leaf, torch.as_tensor(targets, device=leaf.device)).mean(1)
            (slope,) = torch.autograd.grad(losses.sum(), leaf)
        return as_array(losses).astype(np.float64), (
            slope.numpy() if isinstance(outputs, np.ndarray) else slope
        )

    def values(self, outputs: Array, targets: Array) -> Array:
        """The mean loss of every network, shape ``(K,)`` float64.

        Args:
            outputs: As `each` takes them, an array.
            targets: Likewise.
        """
        if self.slope is not None:
            return np.asarray(self.slope(outputs, targets)[0].mean(1, dtype=np.float64))
        torch = loaded()
        with torch.no_grad():
            losses = self.each(torch.as_tensor(outputs), torch.as_tensor(targets)).mean(1)
        return as_array(losses).astype(np.float64)

    @property
    def guarded(self) -> Loss:
        """The same loss, which says in a line what it does wrong: for a stranger's.

        Its `each` raises a `UserError` where it fails, or where what it gives has another shape or
        no gradient.
        """
        slope = None if self.slope is None else partial(_held_slope, self.slope, self.name)
        return replace(self, each=partial(_held, self.each, self.name), slope=slope)

    def worst(self, classes: int) -> float:
        """The finite value recorded of a network that diverged: ten times that of knowing nothing.

        Args:
            classes: Of the task.

        Raises:
            UserError: Its value of knowing nothing is no finite number above 0.
        """
        return 10 * check_number(
            f"The loss {self.name} of knowing nothing", self.chance(classes), above=True
        )


def _held(
    each: Callable[[Tensor, Tensor], Tensor],
    name: str,
    outputs: Tensor,
    targets: Tensor,
) -> Tensor:
    """The loss of every network on every example, or a line saying why there is none."""
    import torch

    try:
        losses = each(outputs, targets)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        said = " ".join(str(error).split())
        raise UserError(f"The loss {name} failed: {type(error).__name__}: {said:.300}.") from error
    shape = tuple(outputs.shape[:2])
    if (
        not isinstance(losses, torch.Tensor)
        or tuple(losses.shape) != shape
        or not losses.is_floating_point()
    ):
        found = (
            f"{losses.dtype} of shape {tuple(losses.shape)}"
            if isinstance(losses, torch.Tensor)
            else repr(losses)
        )
        raise UserError(
            f"The loss {name} must give a number for each network and example, {shape}, not"
            f" {found:.80}."
        )
    if outputs.requires_grad and not losses.requires_grad:
        raise UserError(
            f"The loss {name} has no gradient: it must be made of operations of PyTorch on the"
            " outputs."
        )
    return losses


def _held_slope(
    slope: Slope,
    name: str,
    outputs: Array,
    targets: Array,
) -> tuple[Array, Array]:
    """The losses and the gradient, or a line saying why there are none."""
    try:
        each, gradient = slope(outputs, targets)
    except Exception as error:
        said = " ".join(str(error).split())
        raise UserError(f"The loss {name} failed: {type(error).__name__}: {said:.300}.") from error
    found = (np.shape(each), np.shape(gradient))
    wanted = (outputs.shape[:2], outputs.shape)
    if found != wanted:
        raise UserError(
            f"The slope of the loss {name} must give arrays of the shapes {wanted}, not {found}."
        )
    return np.asarray(each), np.asarray(gradient, dtype=outputs.dtype)
