"""Strategies for one objective, run on several: random weights, drawn anew for every stretch of a run.

Knowles, "ParEGO", IEEE Transactions on Evolutionary Computation 2006: the augmented Chebyshev norm of the objectives,
each scaled to what the run has seen. Departure: weights change every ten trials, not every one, and the strategy, which
knows nothing of weights, is then made anew and told the whole history under the new ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace

import numpy as np

from surrogate_nas.space import Cell
from surrogate_nas.space.trial import Request, Trial
from surrogate_nas.study.sandbox import Sandboxed

STRETCH = 10
"""Trials under one set of weights."""
_AUGMENTATION = 0.05
_INFEASIBLE = 10.0
"""Above every scalarised score of a feasible cell."""
Make = Callable[..., AbstractContextManager[Sandboxed]]


class Scalarised:
    """A run's view of a strategy that knows one objective; used as `Sandboxed` is.

    Attributes:
        batch_size: How many cells the strategy likes to be asked for at once.
        chooses_epochs: Whether it may ask for other epochs than the objective's.
    """

    def __init__(self, first: Sandboxed, make: Make, parts: int, seed: int, stack: ExitStack) -> None:
        """Begin with a strategy under a first set of weights.

        Args:
            first: The strategy.
            make: Makes it anew from a seed.
            parts: How many objectives there are.
            seed: The root of weights and of the strategy's further seeds.
            stack: Lets strategies go at the end.
        """
        self._strategy, self._make, self._parts, self._stack = first, make, parts, stack
        self.batch_size, self.chooses_epochs = first.batch_size, first.chooses_epochs
        self._rng = np.random.default_rng([seed, parts])
        self._weights = self._rng.dirichlet(np.ones(parts))
        self._history: list[Trial] = []
        self._since = 0
        self._spent = 0.0

    @property
    def seconds(self) -> float:
        """Spent in the strategies so far."""
        return self._spent + self._strategy.seconds

    def ask(self, n: int) -> list[Cell | Request]:
        """What the strategy asks for, after a change of weights where one is due.

        Args:
            n: The most that it may return.
        """
        if self._since >= STRETCH:
            self._renew()
        return self._strategy.ask(n)

    def work(self) -> float | None:
        """Let the strategy do a slice of work of its own; the seconds that it is charged, or None."""
        return self._strategy.work()

    def diagnosis(self) -> Mapping[str, Mapping[str, float]]:
        """What the strategy of the last weights tells of the run."""
        return self._strategy.diagnosis()

    def tell(self, trials: Sequence[Trial]) -> None:
        """Tell trials with the scalarised score in place of the sum.

        Args:
            trials: The new ones.
        """
        self._history += trials
        self._since += len(trials)
        self._strategy.tell(self._scored(trials))

    def _renew(self) -> None:
        self._since, self._weights = 0, self._rng.dirichlet(np.ones(self._parts))
        self._spent += self._strategy.seconds
        self._stack.close()
        self._strategy = self._stack.enter_context(self._make(seed=int(self._rng.integers(2**63))))
        self._strategy.tell(self._scored(self._history))

    def _scored(self, trials: Sequence[Trial]) -> list[Trial]:
        seen = np.array([trial.scores for trial in self._history if trial.feasible] or [trials[0].scores])
        low, span = seen.min(axis=0), np.ptp(seen, axis=0)
        span[span == 0] = 1.0
        told = []
        for trial in trials:
            scaled = self._weights * (np.array(trial.scores) - low) / span
            score = float(scaled.max() + _AUGMENTATION * scaled.sum()) if trial.feasible else _INFEASIBLE + trial.score
            told.append(replace(trial, score=score, scores=(), values=dict(trial.values)))
        return told


@contextmanager
def scalarised(strategy: Sandboxed, make: Make, parts: int, seed: int) -> Iterator[Sandboxed | Scalarised]:
    """The strategy itself, or what runs it on several objectives where it knows only one.

    Args:
        strategy: The strategy.
        make: Makes it anew from a seed.
        parts: How many objectives there are.
        seed: The strategy's.
    """
    if parts == 1 or strategy.many_objectives:
        yield strategy
        return
    with ExitStack() as stack:
        yield Scalarised(strategy, make, parts, seed, stack)
