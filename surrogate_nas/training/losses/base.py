"""What a loss is: a differentiable value of every example, with its unit and what it may be compared with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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

    def worst(self, classes: int) -> float:
        """The finite value recorded of a network that diverged: ten times that of knowing nothing.

        Args:
            classes: Of the task.
        """
        return 10 * self.chance(classes)
