"""The base class of search strategies, which propose cells and observe their scores.

A strategy has no access to the benchmark. The experiment asks for cells, evaluates them, charges
the budget and stores the trials. For a given seed it first passes the same initial architectures to
every strategy, so a strategy must learn from trials that it did not propose.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np

from surrogate_nas.core import Knobbed, former, warn_renamed
from surrogate_nas.space import Cell, Request, Space, Trial


class Strategy(Knobbed, ABC):
    """The base of every strategy; a subclass implements `ask`, and `tell` if it learns.

    The same seed and the same observed trials lead to the same proposals. A cell may be proposed
    again: its result is the same, and it is charged again.

    `ask` may be called again before earlier proposals are evaluated. Trials are passed to `tell` in
    the order in which they finish.

    Args:
        space: The space that cells come from.
        seed: The root of the strategy's randomness.

    Attributes:
        batch_size: The preferred number of cells per call of `ask`.
        chooses_epochs: Declares that it reads `epochs` and returns `Request` for other epochs than
            the objective's. Only trials after the objective's own epochs, the last of `epochs`, can
            be the result of the search. The strategy also receives `readable` and `qualities`.
        many_objectives: Declares that it reads `objectives` and `Trial.scores`. Without this,
            several objectives are combined by random scalarisation.
        uses_free: Declares that it reads `free`.
        needs_supernet: Declares that it trains with a `supernet_context` (see
            `surrogate_nas.strategies.oneshot`).
        from_outside: Declares that its proposals come from an external optimiser, which may propose
            other cells the next time. It reads `problem`, and may return no cell, which ends the
            run. Its proposals are stored with the run, and a repeated run reads them from there.
        shares_points: Declares that its runs share the encoded points of a space
            (`surrogate_nas.strategies.bo`).
        needs: The import names of optional libraries that it requires.
        epochs: The epochs that a request may ask for, in increasing order; empty where nothing is
            trained, and requests name cells only.
        readable: The metrics that `Request.read` may contain, by epochs; in the values of a trial
            they are ``name[epochs]``.
        qualities: The metrics of `readable` of which larger values are better.
        objectives: Number of objectives.
        free: The terms of any cell that are available without training: ``penalty(cells)`` (λR),
            ``feasible(cells)`` and ``metric(name, cells)``; None where they are withheld. See
            `surrogate_nas.objective.FreeTerms`.
        supernet_context: The task and data for training a supernet, if `needs_supernet` is
            declared; otherwise None.
        problem: If `from_outside`, the objective, the constraints and the budget, as returned by
            `surrogate_nas.objective.objective.problem_of`.
        remarks: If `from_outside`, JSON-compatible data to store with its last proposal. Its
            ``usage``, numbers by name, is summed over the run.
        space: The space that cells come from.
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
        """Return the strategy with options, to be passed wherever a strategy is accepted.

        Args:
            options: The keyword arguments of the constructor: numbers, texts, True, False, None, or
                lists and mappings of these. They are checked when the strategy is used.

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
            n: Maximum number of cells, at least 1.

        Returns:
            Between 1 and `n` cells of the space, or requests where the class declares
            `chooses_epochs`.
        """

    def tell(self, trials: Sequence[Trial]) -> None:
        """Learn from newly evaluated trials, in the order of evaluation.

        Args:
            trials: At least one trial. The initial architectures of a run are passed as well,
                although the strategy did not propose them.
        """

    def work(self) -> float | None:
        """Do a slice of the strategy's own work before cells are asked for, such as training a
        supernet.

        Returns:
            The seconds to charge for it; None if no work is left, as in most strategies.
        """
        return None

    def diagnosis(self) -> Mapping[str, Mapping[str, float]]:
        """Return what a reader should know of the run in addition to its trials: finite numbers by
        group and name.
        """
        return {}


class OneByOne(Strategy):
    """A strategy that proposes one cell at a time; a subclass implements `_next`."""

    def ask(self, n: int) -> Sequence[Cell | Request]:
        """Propose up to `n` cells, one after another."""
        return [self._next() for _ in range(n)]

    @abstractmethod
    def _next(self) -> Cell | Request: ...
