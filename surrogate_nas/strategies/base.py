"""A search strategy: it proposes cells and observes their scores, and does nothing else.

A strategy never holds a benchmark. The experiment asks, evaluates, counts, charges and stores; it
first tells every strategy of a seed the same first cells, so a strategy must learn from trials that
it did not ask for.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np

from surrogate_nas.core import Knobbed, former, warn_renamed
from surrogate_nas.space import Cell, Request, Space, Trial


class Strategy(Knobbed, ABC):
    """The base of every strategy; a subclass needs `ask`, and `tell` if it learns.

    The same seed and the same observed trials give the same questions. A cell may be asked again:
    it answers the same and is charged again.

    It may be asked again before it is told what it asked for before, and is told in the order of
    finishing.

    Args:
        space: The space that cells come from.
        seed: The root of the strategy's randomness.

    Attributes:
        batch_size: How many cells the strategy likes to be asked for at once.
        chooses_epochs: Declares that it reads `epochs` and returns `Request` for other epochs than
            the objective's. Only trials after the objective's own, the last of `epochs`, can be the
            answer. It is given `readable` and `qualities` too.
        many_objectives: Declares that it reads `objectives` and `Trial.scores`; others are run on
            several objectives by random scalarisation.
        uses_free: Declares that it reads `free`.
        needs_supernet: Declares that it trains with a `supernet_context` (see
            `surrogate_nas.strategies.oneshot`).
        from_outside: Declares that its answers come from a program or a person outside, who may
            answer otherwise the next time. It reads `problem`, and may return no cell, which ends
            the run. What it answers is stored with the run, which is made again from there.
        shares_points: Declares that its runs share the points of a space
            (`surrogate_nas.strategies.bo`).
        needs: The libraries of extras that it cannot be made without, as Python imports them.
        epochs: What a request may ask for, rising; none where training plays no part, and cells are
            asked for plainly.
        readable: The names that `Request.read` may hold, by epochs; in the values of a trial they
            are ``name[epochs]``.
        qualities: Those of these names of which larger is better.
        objectives: How many objectives there are.
        free: λR and feasibility of any cell for free, as far as no training is needed to tell;
            None where it is withheld (``penalty(cells)``, ``feasible(cells)``,
            ``metric(name, cells)``; see `surrogate_nas.objective.FreeTerms`).
        supernet_context: What it trains with, where it declares that it needs one; None for all
            others.
        problem: What is minimised, under which limits and for which budget, where it is
            `from_outside`; as `surrogate_nas.objective.objective.problem_of` gives it.
        remarks: What is stored with its last answer where it is `from_outside`, as JSON can hold
            it; ``usage``, numbers by name, is added up over the run.
        space: The space that cells come from.
        rng: The strategy's own generator, made from the seed.

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
        """Set up what a run changes; options are attributes by then."""

    @classmethod
    def using(cls, **options: Any) -> partial[Self]:
        """Return the strategy with options, to be passed where a strategy is taken.

        Args:
            options: The keyword arguments of the constructor: numbers, texts, True, False, None, or
                lists and mappings of these. They are checked where the strategy is passed.

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
            n: The most that may be returned, at least 1.

        Returns:
            Between 1 and `n` cells of the space, or requests where the class declares
            `chooses_epochs`.
        """

    def tell(self, trials: Sequence[Trial]) -> None:
        """Learn from evaluated trials: only new ones, in the order of evaluation.

        Args:
            trials: At least one trial; the first cells of a run come this way too, without having
                been asked.
        """

    def work(self) -> float | None:
        """Do a slice of the strategy's own work before cells are asked for, such as training a
        supernet.

        Returns:
            The seconds that it is charged; None where nothing is left to be done, as in most
            strategies.
        """
        return None

    def diagnosis(self) -> Mapping[str, Mapping[str, float]]:
        """What a reader should know of the run besides its trials: finite numbers by name, in
        groups by name.
        """
        return {}


class OneByOne(Strategy):
    """A strategy that thinks of each cell by itself; a subclass gives `_next`."""

    def ask(self, n: int) -> Sequence[Cell | Request]:
        """Propose cells, one after another."""
        return [self._next() for _ in range(n)]

    @abstractmethod
    def _next(self) -> Cell | Request: ...
