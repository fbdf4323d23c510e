"""A training loss: its value and gradient for every example, its unit, and its scale."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from surrogate_nas.core.arguments import check_number
from surrogate_nas.core.errors import UserError, in_a_line
from surrogate_nas.training.arrays import Array, Gradient, as_array
from surrogate_nas.training.machine import loaded

if TYPE_CHECKING:  # a list of losses needs no PyTorch
    from torch import Tensor


@dataclass(frozen=True)
class Loss:
    """A training loss; smaller is better.

    It is defined once: by `gradient` in NumPy, or by `each` in PyTorch, which then finds the
    gradient. Of a loss that has a `gradient`, `each` is made of it where it is left out.

    Attributes:
        name: The key in `LOSSES`.
        title: One line saying what it is, with the paper.
        unit: Of its values.
        fits: The kinds of task that it can train.
        each: From tensors of outputs ``(K, batch, outputs[, positions…])`` of K networks and their
            common targets ``(batch, …)`` to losses ``(K, batch)``, differentiable by the outputs.
        chance: From the number of classes to the value of knowing nothing: of uniform answers, or,
            without classes, of the constant answer that its file names.
        comparable: Losses whose values may be compared share this word.
        gradient: From arrays of outputs and targets to losses as of `each`, and the gradient of
            their mean over the batch, in the shape of the outputs. None to differentiate `each`.
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
        """The mean loss of every network, shape ``(K,)`` float64, and the gradient of their sum by
        the outputs.

        Args:
            outputs: As `each` takes them, an array or a tensor; the gradient is like it.
            targets: Likewise, an array.
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
            losses = self.each(leaf, torch.as_tensor(targets, device=leaf.device)).mean(1)
            (gradient,) = torch.autograd.grad(losses.sum(), leaf)
        if is_array:
            gradient = gradient.numpy()
        return as_array(losses).astype(np.float64), gradient

    @property
    def guarded(self) -> Loss:
        """The same loss of a user's, whose mistakes become errors of one line."""
        each = partial(_checked_each, self.each, self.name)
        if self.gradient is None:
            return replace(self, each=each)
        checked = partial(_checked_gradient, self.gradient, self.name)
        return replace(self, each=each, gradient=checked)

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


def always(value: float) -> Callable[[int], float]:
    """What knowing nothing costs, whatever the number of classes."""
    return lambda _: value


def _silent(gradient: Gradient, outputs: Array, targets: Array) -> tuple[Array, Array]:
    with np.errstate(all="ignore"):  # what diverges is noted
        return gradient(outputs, targets)


def _from_gradient(gradient: Gradient, outputs: Tensor, targets: Tensor) -> Tensor:
    """`Loss.each` of a loss that is defined in NumPy; it can be differentiated twice."""
    from surrogate_nas.training.autograd import _Value

    losses: Tensor = _Value.apply(outputs, as_array(targets), gradient)  # type: ignore[no-untyped-call]
    return losses


def _checked_each(
    each: Callable[[Tensor, Tensor], Tensor], name: str, outputs: Tensor, targets: Tensor
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
        result = f"{losses.dtype} of shape {tuple(losses.shape)}" if is_tensor else losses
        raise UserError(
            f"The loss {name} must give a number for each network and example, {shape}, not"
            f" {result!s:.80}."
        )
    if outputs.requires_grad and not losses.requires_grad:
        raise UserError(
            f"The loss {name} has no gradient: it must be made of operations of PyTorch on the"
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
            f"The gradient of the loss {name} must give arrays of the shapes {expected}, not"
            f" {shapes}."
        )
    return np.asarray(values), np.asarray(by_outputs, dtype=outputs.dtype)


def _failure(name: str, error: Exception) -> UserError:
    return UserError(f"The loss {name} failed: {in_a_line(error)}.")
