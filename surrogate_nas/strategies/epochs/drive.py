"""A signal that ranks the cells of short runs in place of L, such as the training loss; longer runs
are ranked by the objective.

Ru, Lyle, Schut, Fil, van der Wilk & Gal, "Speedy Performance Estimation for Neural Architecture
Search", NeurIPS 2021, rank by training losses early in training. Departure: a signal has another
unit than L, which λ would weigh otherwise. So of the cells that are compared, the k-th best by the
signal is taken to have the k-th least L of them; where λ is 0 the signal alone ranks.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Self

from surrogate_nas.core.arguments import check_name, check_number
from surrogate_nas.core.numbers import plural
from surrogate_nas.runtime.failure import StrategyError
from surrogate_nas.space.trial import Trial
from surrogate_nas.strategies.base import Strategy


class Signal(NamedTuple):
    """A metric that ranks cells after a run.

    Attributes:
        name: The metric.
        epochs: The run.
        sign: 1, or -1 where larger is better.
    """

    name: str
    epochs: int
    sign: int

    @property
    def key(self) -> str:
        """The metric as trials name it."""
        return f"{self.name}[{self.epochs}]"

    def ranked(self, trials: Iterable[Trial]) -> list[Trial]:
        """Trials that hold it, the best first."""
        read = sorted(trials, key=lambda t: (self.sign * t.values[self.key], t.score))
        losses = sorted(trial.loss for trial in read)
        scores = [
            trial.score - trial.loss + loss if trial.feasible else trial.score
            for trial, loss in zip(read, losses, strict=True)
        ]
        return [read[place] for place in sorted(range(len(read)), key=scores.__getitem__)]


class Drive(NamedTuple):
    """Which runs are ranked by a signal.

    Attributes:
        name: The metric; None where the objective ranks all runs.
        until: The longest of these runs, as a share of the objective's epochs.
    """

    name: str | None
    until: float

    @classmethod
    def of(cls, name: str | None, until: float) -> Self:
        """Check what a user chose."""
        if name is not None:
            check_name("drive", name)
        return cls(name, check_number("until", until, 0.0, 1.0))

    def at(self, epochs: int | None, strategy: Strategy) -> Signal | None:
        """What ranks cells after a run; None for the objective.

        Raises:
            StrategyError: The metric is none that a search may read after this run.
        """
        if self.name is None or epochs is None or epochs >= strategy.epochs[-1]:
            return None
        if epochs > self.until * strategy.epochs[-1]:
            return None
        readable = strategy.readable.get(epochs, ())
        if self.name not in readable:
            raise StrategyError(
                f"drive={self.name} is no search metric after {plural(epochs, 'epoch')}; there:"
                f" {', '.join(readable) or 'none'}."
            )
        return Signal(self.name, epochs, -1 if self.name in strategy.qualities else 1)
