"""What a loss is: a differentiable value of every example, with its unit and what it may be compared with."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from surrogate_nas.errors import UserError

if TYPE_CHECKING:  # a list of losses needs no PyTorch
    from torch import Tensor


@dataclass(frozen=True)
class Loss:
    """A training loss; smaller is better.

    Attributes:
        name: The key in `LOSSES`.
        title: One line saying what it is, with the paper.
        unit: Of its values.
        fits: The kinds of task that it can train.
        each: From outputs ``(K, batch, outputs[, positions…])`` of K networks and their common targets ``(batch, …)``
            to the loss of every network on every example, shape ``(K, batch)``, differentiable by the outputs.
        chance: From the number of classes to the value of knowing nothing: of uniform answers, or, without classes, of
            the constant answer that its file names. Ten times it is the worst that is recorded.
        comparable: Losses whose values may be compared share this word.
    """

    name: str
    title: str
    unit: str
    fits: tuple[str, ...]
    each: Callable[[Tensor, Tensor], Tensor]
    chance: Callable[[int], float]
    comparable: str

    def __post_init__(self) -> None:
        for field in ("name", "title", "unit", "comparable"):
            if not isinstance(getattr(self, field), str) or not getattr(self, field):
                raise UserError(f"The {field} of a loss is a text, not {getattr(self, field)!r:.80}.")
        if not isinstance(self.fits, tuple) or not self.fits:
            raise UserError(f"The loss {self.name} fits a tuple of kinds of task, not {self.fits!r:.80}.")
        for field in ("each", "chance"):
            if not callable(getattr(self, field)):
                raise UserError(f"The {field} of the loss {self.name} is a function, not {getattr(self, field)!r:.80}.")

    @property
    def guarded(self) -> Loss:
        """The same loss, which says in a line what it does wrong: for a stranger's.

        Its `each` raises a `UserError` where it fails, or where what it gives has another shape or no gradient.
        """
        return replace(self, each=partial(_held, self.each, self.name))

    def worst(self, classes: int) -> float:
        """The finite value recorded of a network that diverged: ten times that of knowing nothing.

        Args:
            classes: Of the task.

        Raises:
            UserError: Its value of knowing nothing is no finite number above 0.
        """
        value = self.chance(classes)
        if not isinstance(value, float | int) or not 0 < value < math.inf:
            raise UserError(f"The loss {self.name} of knowing nothing is a finite number above 0, not {value!r:.80}.")
        return 10 * value


def _held(each: Callable[[Tensor, Tensor], Tensor], name: str, outputs: Tensor, targets: Tensor) -> Tensor:
    """The loss of every network on every example, or a line saying why there is none."""
    import torch

    try:
        losses = each(outputs, targets)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - a stranger's loss can raise anything
        said = " ".join(str(error).split())
        raise UserError(f"The loss {name} failed: {type(error).__name__}: {said:.300}.") from error
    shape = tuple(outputs.shape[:2])
    if not isinstance(losses, torch.Tensor) or tuple(losses.shape) != shape or not losses.is_floating_point():
        found = f"{losses.dtype} of shape {tuple(losses.shape)}" if isinstance(losses, torch.Tensor) else repr(losses)
        raise UserError(f"The loss {name} must give a number for each network and example, {shape}, not {found:.80}.")
    if outputs.requires_grad and not losses.requires_grad:
        raise UserError(f"The loss {name} has no gradient: it must be made of operations of PyTorch on the outputs.")
    return losses
