"""The base class of search strategies, which propose cells and observe their scores.

A strategy has no access to the benchmark. The experiment asks a strategy for cells, evaluates the
cells, charges the budget and stores the trials. For a given seed, every strategy first observes the
same initial architectures, so a strategy must learn from trials that it did not propose.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np

from surrogate_nas.core import Knobbed, former, warn_renamed
from surrogate_nas.space import Cell, Request, Space, Trial


class Strategy(Knobbed, ABC):
    """The base class of search strategies. A subclass implements `ask`, and `tell` if it learns.

    A strategy is deterministic: the same seed and the same observed trials lead to the same
    proposals. If a strategy proposes a cell again, the result is the same, and the evaluation is
    charged again.

    `ask` may be called while earlier proposals are still pending. Trials are passed to `tell` in
    the order in which they finish.

    Args:
        space: The search space.
        seed: Seed of the strategy's random number generator.

    Attributes:
        batch_size: The number of cells that the strategy prefers to propose per call of `ask`.
        chooses_epochs: Declares that the strategy reads `epochs` and may return a `Request` for
            fewer epochs than the objective's. Only trials with the objective's own number of epochs
            (the last entry of `epochs`) can be the result of the search. A strategy that chooses
            epochs also receives `readable` and `qualities`.
        many_objectives: Declares that the strategy reads `objectives` and `Trial.scores`. Without
            `many_objectives`, several objectives are combined into one by random scalarisation.
        uses_free: Declares that the strategy reads `free`, the terms available without training.
        needs_supernet: Declares that the strategy trains a supernet and reads `supernet_context`
            (see `surrogate_nas.strategies.oneshot`).
        from_outside: Declares that the proposals come from an external optimiser, which may propose
            other cells when the run is repeated. A strategy with an external optimiser reads
            `problem`, and ends the run by returning no cell. The proposals of an external optimiser
            are stored with the run, and a repeated run reads the stored proposals.
        shares_points: Declares that all runs of the strategy share the encoded cells of a space
            (see `surrogate_nas.strategies.bo`).
        needs: The import names of the optional libraries that the strategy requires.
        epochs: The numbers of epochs that a request may ask for, in increasing order. If the
            objective does not depend on epochs, the list is empty and the strategy returns cells
            only.
        readable: The metrics that `Request.read` may contain, by number of epochs. The key of a
            metric in `Trial.values` has the form ``name[epochs]``.
        qualities: The metrics in `readable` for which larger values are better.
        objectives: The number of objectives.
        free: Terms of the objective that need no training, as functions: ``penalty(cells)`` (λR),
            ``feasible(cells)`` and ``metric(name, cells)``. If the free terms are withheld, `free`
            is None (see `surrogate_nas.objective.FreeTerms`).
        supernet_context: The task and data for training a supernet, if `needs_supernet` is
            declared; otherwise None.
        problem: If `from_outside`, the objective, the constraints and the budget, as returned by
            `surrogate_nas.objective.objective.problem_of`.
        remarks: If `from_outside`, JSON-compatible data to store with the strategy's last proposal.
            The numbers in the entry ``usage`` of these data are summed over the run.
        space: The search space.
        rng: The strategy's own random number generator, initialised from the seed.

    Example:
        >>> class Greedy(Strategy):
        ...     best = None
        ...
        ...     def ask(self, n):
        ...         draw = self.space.sample
        ...         return [
        ...             self.space.mutate(self.best.cell, self.rng)
        ...             if self.best
        ...             else draw(self.rng)
        ...         ] * n
        ...
        ...     def tell(self, trials):
        ...         self.best = min(
        ...             [*trials, *([self.best] if self.best else [])],
        ...             key=lambda t: t.score,
        ...         )
    """

    batch_size: ClassVar[int] = 1
    chooses_epochs: ClassVar[bool] = False
    many_objectives: ClassVar[bool] = False
    uses_free: ClassVar[bool] = False
    needs_supernet: ClassVar[bool] = False
    from_outside: ClassVar[bool] = False
    shares_points: ClassVar[bool] = False
    needs: ClassVar[tuple[str, ...]] = ()
    epochs: Sequence[int] = ()
    readable: Mapping[int, Sequence[str]] = {}
    qualities: Collection[str] = ()
    objectives: int = 1
    free: Any = None
    supernet_context: Any = None
    problem: Mapping[str, Any] | None = None
    remarks: Mapping[str, Any] = {}

    def __init__(self, space: Space, *, seed: int, **given: Any) -> None:
        self.space = space
        self.rng = np.random.default_rng(seed)
        self._seed = seed
        self.take(given)
        self._begin()

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if uses := vars(cls).get("uses_known"):
            warn_renamed(f"{cls.__name__}.uses_known", "uses_free", 4)
            cls.uses_free, cls.known = uses, former("known", "free")  # type: ignore[attr-defined]

    def _begin(self) -> None:
        """Set up the state of a run; options are already attributes."""

    @classmethod
    def using(cls, **options: Any) -> partial[Self]:
        """Bind options to the strategy. The strategy with bound options can be passed wherever a
        strategy is accepted.

        Args:
            options: The keyword arguments of the constructor: numbers, texts, True, False, None, or
                lists and mappings of these. The options are checked when the strategy is used.

        Example:
            >>> import surrogate_nas as sn
            >>> class Walk(sn.Strategy):
            ...     def __init__(self, space, *, seed, steps=1):
            ...         super().__init__(space, seed=seed)
            ...         self.steps = steps
            ...
            ...     def ask(self, n):
            ...         return [self.space.sample(self.rng)]
            >>> sn.search("fashion", Walk.using(steps=3), budget=12).strategy
            'Walk(steps=3)'
        """
        return partial(cls, **options)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} on {self.space!r}>"

    @abstractmethod
    def ask(self, n: int) -> Sequence[Cell | Request]:
        """Propose cells.

        Args:
            n: Maximum number of cells to propose, at least 1.

        Returns:
            Between 1 and `n` cells of the space, or equally many requests if the class declares
            `chooses_epochs`.
        """

    def tell(self, trials: Sequence[Trial]) -> None:
        """Learn from newly evaluated trials, in the order of evaluation.

        Args:
            trials: The newly evaluated trials, at least one. Trials of the run's initial
                architectures are passed, too, although the strategy did not propose these
                architectures.
        """

    def work(self) -> float | None:
        """Do one slice of the strategy's own computation, such as training a supernet, before cells
        are requested.

        Returns:
            The seconds to charge for this slice of computation, or None if no computation is left.
            Most strategies have no computation to charge and always return None.
        """
        return None

    def diagnosis(self) -> Mapping[str, Mapping[str, float]]:
        """Return diagnostic numbers of the run, all of them finite, by group and name."""
        return {}


class OneByOne(Strategy):
    """A strategy that proposes one cell at a time; a subclass implements `_next`."""

    def ask(self, n: int) -> Sequence[Cell | Request]:
        """Propose up to `n` cells, one after another."""
        return [self._next() for _ in range(n)]

    @abstractmethod
    def _next(self) -> Cell | Request: ...
