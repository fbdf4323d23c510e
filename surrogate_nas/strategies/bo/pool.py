"""The candidate cells of `bo`: all cells of a space of at most 32,768 cells, otherwise a growing
sample of cells.

`Space.views` lists encodings of what a cell computes. Each expert, a Gaussian process over points,
reads one of these encodings. If isomorphism classes can be computed, a point is a class, encoded by
the mean over its cells; otherwise, a point is a single cell. Encoding columns are standardised over
the points of an enumerable space, or over the reference sample of any other space.

The sample of candidates begins with random cells and mutations of the best observed cells. Every
proposal adds a few mutations to the sample, and the neighbours of a new best cell. When the sample
of candidates becomes too large, it is rebuilt.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cache, lru_cache, partial
from itertools import cycle, islice
from typing import Any, NamedTuple, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core import unknown
from surrogate_nas.space import Cell, Choices, Enumerable, Space, choices_of, listed
from surrogate_nas.surrogates.gaussian import (
    MOST_FOR_LIKELIHOOD,
    Floats,
    GrowingProcess,
    Hyper,
    Mask,
    Places,
    Posterior,
    matern_of_squares,
    most_likely,
    most_likely_weights,
    squared_distances,
)

View: TypeAlias = NDArray[np.float32]
"""The columns of ``m`` points for one expert, shape ``(m, d)``."""

_COSTS = "one_hot"
# Of what is built, in the squared distance, where R has to be learned too.
_WEIGHT_OF_COSTS = 0.25


class Points(NamedTuple):
    """The points (cells or isomorphism classes) that experts predict, with one encoding matrix per
    expert.

    Attributes:
        views: The encoding matrix of each expert, shape ``(m, d)``, scaled so that two random
            points have a distance of about 1.
        of_cell: For every cell, the index of its point, shape ``(n,)``.
        groups: For each encoding matrix, the group number of every column, shape ``(d,)``; each
            group of columns has its own weight. If all columns of a matrix have the same weight,
            None stands for the groups.
    """

    views: tuple[View, ...]
    of_cell: Places
    groups: tuple[Places | None, ...]


class _Standard(NamedTuple):
    centre: Floats
    spread: Floats

    @classmethod
    def of(cls, blocks: Callable[[], Iterable[Floats]], share: float) -> Self:
        """Build points from blocks of columns; `share` is the mean squared distance of two points
        afterwards.
        """
        centre = _mean(blocks())
        deviation = np.sqrt(_mean((block - centre) ** 2 for block in blocks()))
        varying = deviation > 0
        spread = np.where(varying, deviation, 1.0) * np.sqrt(
            2 * max(int(varying.sum()), 1) / share
        )
        return cls(centre, spread)

    def __call__(self, columns: Floats) -> Floats:
        return (columns - self.centre) / self.spread


# The mean of all rows is summed in their order, as NumPy sums those of one matrix.
def _mean(blocks: Iterable[Floats]) -> Floats:
    n, total = 0, np.zeros((0, 1))
    for block in blocks:
        total = np.vstack([total, block] if n else [block]).sum(axis=0)
        n += len(block)
    return np.asarray(total / n)


def _blocks(space: Space, view: str, with_costs: bool) -> list[tuple[str, float]]:
    names = view.split("+")
    shown = _COSTS in names or is_plain(space) or _COSTS not in space.encodings
    if shown or not with_costs:
        return [(name, 1 / len(names)) for name in names]
    return [
        *((name, (1 - _WEIGHT_OF_COSTS) / len(names)) for name in names),
        (_COSTS, _WEIGHT_OF_COSTS),
    ]


def is_plain(space: Space) -> bool:
    """Return whether every encoding column belongs to one position of the space, so that each
    position can have its own weight.
    """
    return all(name in space.groups for name in "+".join(space.views).split("+"))


def _seen_through(space: Space) -> tuple[str, ...]:
    """Return the view of each expert. There are at least two experts, since every second one has
    another sharpness; with weighted groups, one expert learns both.
    """
    return space.views * (1 if is_plain(space) or len(space.views) > 1 else 2)


@lru_cache(maxsize=16)
def groups_of(space: Space) -> tuple[Places | None, ...]:
    """Return, for each expert, the group number of every encoding column (see `Points`)."""

    def joined(view: str) -> Places:
        own = [space.groups[name] for name in view.split("+")]
        starts = np.cumsum([0, *(group.max() + 1 for group in own)])
        return np.concatenate([s + g for s, g in zip(starts, own, strict=False)])

    return tuple(joined(v) if is_plain(space) else None for v in _seen_through(space))


def _encoded(space: Space, choices: Choices, name: str) -> Floats:
    if name not in space.encodings:
        raise unknown(f"encoding in the views of {space.name}", name, space.encodings)
    return np.asarray(space.encodings[name](choices), dtype=np.float64)


def _views(
    space: Space,
    with_costs: bool,
    encoded: Callable[[str], Floats],
    standard: Callable[[str, float], _Standard],
) -> tuple[View, ...]:
    @cache
    def joined(view: str) -> View:
        blocks = _blocks(space, view, with_costs)
        return np.hstack(
            [standard(*b)(encoded(b[0])).astype(np.float32) for b in blocks]
        )

    return tuple(map(joined, _seen_through(space)))


@lru_cache(maxsize=4)
def whole(space: Enumerable, with_costs: bool) -> Points:
    """Return the encoded points of all cells of a space."""
    classes = None if with_costs else space.classes
    of_cell: Places = (np.arange(len(space)) if classes is None else classes).astype(
        np.intp
    )

    members = np.argsort(of_cell, kind="stable")
    counts = np.bincount(of_cell)

    @cache
    def means(name: str) -> Floats:
        columns = _encoded(space, space.choices, name)[members]
        return np.add.reduceat(columns, np.cumsum(counts) - counts) / counts[:, None]

    views = _views(
        space,
        with_costs,
        means,
        lambda n, share: _Standard.of(lambda: [means(n)], share),
    )
    return Points(views, of_cell, groups_of(space))


LARGEST_LISTED = 32_768
"""The largest space of which all cells are points."""


def prepare(space: Space) -> None:
    """Compute and cache the encodings of a space, for objectives whose R is available without
    training.
    """
    if is_listed(space):
        whole(listed(space), False)
    else:
        some(space, [space.reference], False)


def is_listed(space: Space) -> bool:
    """Return whether all cells of a space are candidates, and not only a sample of the cells."""
    return isinstance(space, Enumerable) and space.size <= LARGEST_LISTED


@lru_cache(maxsize=16)
def _surveyed(space: Space, name: str, share: float) -> _Standard:
    choices = space.reference_choices
    parts = np.split(choices, range(LARGEST_LISTED, len(choices), LARGEST_LISTED))
    return _Standard.of(lambda: (_encoded(space, part, name) for part in parts), share)


def some(space: Space, cells: Sequence[Cell], with_costs: bool) -> Points:
    """Return the encoded points of the given cells, one point per cell."""
    encoded = partial(_encoded, space, choices_of(cells))
    views = _views(space, with_costs, encoded, partial(_surveyed, space))
    return Points(views, np.arange(len(cells)), groups_of(space))


# An expert is a Gaussian process over points; each observed cell adds a row to its Cholesky factor.
#
# The covariance of two cells is v·[Matérn-5/2(d/ℓ) + a·(same point) + b·(same cell)]: cells of one
# function share a point, so they share its mean and its deviation a, and each has noise b of its
# own. ℓ, a and b are fitted again whenever the observed cells have grown by a tenth, or those that
# share a point with an earlier one by half. Where columns have groups, the squared distance of each
# group has a weight instead of 1/ℓ², and a is 0; weights take longer to fit, and are fitted again
# after a fifth. b is never so small there that single precision would tell.


# How far the logarithms of the weights lie from their mean.
_SPREAD = 0.7
_GROWTH = 1.1
_GROWTH_OF_GROUPS = 1.2
_GROWTH_OF_TWINS = 1.5


class Expert:
    """A Gaussian process over points, conditioned on observed cells. Each cell belongs to one
    point.

    Args:
        points: Encodings of the points, shape ``(m, d)``; two random points have a distance of
            about 1.
        seed: Seed for sampling the cells that enter the likelihood, if more than 400 are observed.
        groups: The group number of each encoding column, shape ``(d,)``; None if all columns have
            the same weight.
    """

    def __init__(self, points: View, seed: int, groups: Places | None = None) -> None:
        self.hyper = Hyper()
        self._seed = seed
        self._groups = groups
        self._kind = np.float64 if groups is None else np.float32
        self._weights = np.ones(0 if groups is None else groups.max() + 1)
        self._fitted = 0, 0
        self.begin(points)

    def begin(self, points: View) -> None:
        """Replace all points by new, unobserved points. The hyperparameters of the Gaussian process
        (length scale ℓ, class variance a and noise variance b) are kept until the next fit.
        """
        self._observed: Places = np.empty(0, dtype=np.intp)
        self._process = GrowingProcess(
            len(points), 1 + self.hyper.shared, self.hyper.noise, self._kind
        )
        self._place(points)

    def _place(self, columns: View) -> None:
        """Compute the positions of points from their columns, after the groups of columns are
        weighted.
        """
        self._columns = self._points = columns
        if self._groups is not None:
            weights = np.sqrt(self._weights).astype(np.float32)
            self._points = columns * weights[self._groups]
        self._norms = np.einsum("ij,ij->i", self._points, self._points)

    def extend(self, points: View) -> None:
        """Append further points; `points`, shape ``(m, d)``, begins with the earlier points."""
        new = slice(len(self._norms), len(points))
        self._place(points)
        self._process.add_points(self._covariance(self._observed, new))

    def is_due(self, told: int, twins: int) -> bool:
        """Return whether the hyperparameters ℓ, a and b must be fitted again.

        Args:
            told: Number of observed cells.
            twins: Number of observed cells that share a point with an earlier observed cell.
        """
        before, shared = self._fitted
        growth = _GROWTH if self._groups is None else _GROWTH_OF_GROUPS
        return told >= growth * max(before, 1) or twins > _GROWTH_OF_TWINS * shared

    def observe(
        self,
        observed: Places,
        target: Floats,
        pending: Places,
        twins: int,
        *,
        waits: bool = False,
    ) -> Posterior:
        """Return the predicted mean and variance at all points. Pending cells are treated as if
        their expected values had been observed.

        Args:
            observed: Indices of the observed cells' points. Cells of an earlier call come first, in
                the same order.
            target: Target values of the observed cells, shape ``(n,)``; values may change between
                calls.
            pending: Indices of the points of pending cells, which are proposed but not evaluated
                yet.
            twins: Number of observed cells that share a point with an earlier observed cell.
            waits: Whether to postpone a fit of the hyperparameters that is due.
        """
        n = len(observed)
        self._observed = observed
        if self.is_due(n, twins) and not (waits and self._fitted[0]):
            self._fit(target)
            self._fitted = n, twins
        new = observed[self._process.n_observed :]
        return self._process.predict(
            target,
            new,
            partial(self._covariance, new),
            pending,
            self._covariance(pending, slice(0, len(self._norms))),
        )

    def _covariance(self, places: Places, at: slice) -> Floats:
        """Return the covariance between some points and a range of all points, shape
        ``(k, stop - start)``.
        """
        # row by row, since sums of several rows at once are not rounded alike for alike points
        products = self._points[at] @ (2 * self._points[places])[:, :, None]
        away = self._norms[at] + (self._norms[places][:, None] - products[:, :, 0])
        covariance = matern_of_squares(
            np.maximum(away, 0) / self._kind(self.hyper.length**2)
        )
        inside = np.flatnonzero((places >= at.start) & (places < at.stop))
        covariance[inside, places[inside] - at.start] = 1 + self.hyper.shared
        return covariance

    def _fit(self, target: Floats) -> None:
        """Fit ℓ, a and b again; if they do not change, keep the factor."""
        n = len(target)
        chosen = np.arange(n)
        if n > MOST_FOR_LIKELIHOOD:
            rng = np.random.default_rng([self._seed, n])
            chosen = rng.permutation(chosen)[:MOST_FOR_LIKELIHOOD]
        observed = self._observed[chosen]
        if self._groups is not None:
            self._weigh(self._columns[observed].astype(np.float64), target[chosen])
            return
        points = self._points[observed].astype(np.float64)
        best = most_likely(
            squared_distances(points, points),
            np.equal.outer(observed, observed),
            target[chosen],
            self.hyper,
        )
        if best != self.hyper:
            self.hyper = best
            self._process.begin(1 + best.shared, best.noise)

    def _weigh(self, columns: Floats, target: Floats) -> None:
        """Fit the weight of every group of columns and b again, from a sample of the observed
        cells.
        """
        self._weights, noise = most_likely_weights(
            [columns[:, self._groups == g] for g in range(len(self._weights))],
            target - target.mean(),
            self._seed,
            _SPREAD,
            np.append(self._weights, self.hyper.noise),
        )
        self.hyper = Hyper(noise=noise)
        self._place(self._columns)
        self._process.begin(1.0, noise)


_PARENTS = 10
_DRAWN = 700
_FIRST_CHILDREN = 30
# Random cells at the start, mutations of every parent then, and at every later question.
_CHILDREN = 3
_MOST = 4_000
_MOST_NEIGHBOURS = 300
# Covariances of observed cells and points beyond which a question waits for one expert's ℓ, a and b
# alone.
_LONG = 1_000_000


def narrowed(free: Mask, wanted: Mask) -> Mask:
    """Return a mask of the available cells that are also wanted, or of all available cells if no
    available cell is wanted.
    """
    return free & wanted if (free & wanted).any() else free


class Pool(ABC):
    """The candidate cells, with their free terms, their points, and the experts that predict the
    points.

    Args:
        known: The free terms of the objective, see `Strategy.free`.
        objectives: Number of objectives.
        seed: Seed of the experts (Gaussian processes).
        rng: Random number generator for sampling cells and for choosing among cells of equal λR.

    Attributes:
        of_cell: For each cell, the index of its point, shape ``(n,)``.
        known: The part of λR that is available without training, by objective, shape
            ``(n, objectives)``.
        allowed: Whether each cell satisfies the constraints that can be checked without training,
            shape ``(n,)``.
    """

    cells: Sequence[Cell]
    of_cell: Places
    known: Floats
    allowed: Mask

    def __init__(
        self, known: Any, objectives: int, seed: int, rng: np.random.Generator
    ) -> None:
        self._known = known
        self._objectives = objectives
        self._seed = seed % 2**32
        self._views: tuple[View, ...] = ()
        self._groups: tuple[Places | None, ...] = ()
        self._rng = rng
        self._experts: dict[int | str, list[Expert]] = {}
        self._kept: dict[str, Places] = {}

    def look(
        self,
        told: Collection[Cell],
        asked: Iterable[Cell],
        ranked: Callable[[], list[Cell]],
    ) -> None:
        """Record which cells are observed and pending, before cells are proposed.

        Args:
            told: The observed cells; cells of earlier calls come first, in the same order.
            asked: The pending cells, which are proposed but not evaluated yet.
            ranked: A function that returns the observed cells, best first.
        """
        self.observed = self.kept("observed", told)
        self.pending = self.places(asked)

    @property
    def free(self) -> Mask:
        """Whether each cell of the pool may be proposed, shape ``(n,)``."""
        free = np.ones(len(self.allowed), dtype=bool)
        free[self.observed] = free[self.pending] = False
        return narrowed(free, self.allowed)

    def kept(self, name: str, cells: Collection[Cell]) -> Places:
        """Return the pool indices of a growing collection of cells. The index of each cell is
        looked up only once.

        Args:
            name: The name of the collection.
            cells: The cells of the collection; cells of earlier calls come first, in the same
                order.
        """
        kept = self._kept.get(name, np.empty(0, dtype=np.intp))
        self._kept[name] = kept = np.append(
            kept, self.places(islice(cells, len(kept), None))
        )
        return kept

    def seen(
        self,
        part: int | str,
        observed: Places,
        targets: Sequence[Floats],
    ) -> list[Posterior]:
        """Return the predictions of an objective or metric at all points, one prediction per
        expert.

        Args:
            part: The index of the objective, or the name of the metric.
            observed: Indices of the observed cells; cells of earlier calls come first.
            targets: Arrays of target values of the observed cells, shape ``(n,)`` each. If the
                number of arrays differs from the number of experts, arrays and experts are paired
                cyclically.
        """
        if part not in self._experts:
            self._experts[part] = [
                Expert(view, self._seed, groups)
                for view, groups in zip(self._views, self._groups, strict=True)
            ]
        at = self.of_cell[observed]
        experts = self._experts[part]
        takes_long = len(at) * len(self._views[0]) > _LONG  # then one a question
        twins = len(at) - len(np.unique(at))
        turn = next((each for each in experts if each.is_due(len(at), twins)), None)
        grouped = self._groups[0] is not None
        n = max(len(experts), grouped * len(targets))
        turns = list(islice(zip(cycle(experts), cycle(targets)), n))
        return [
            expert.observe(
                at,
                y,
                self.of_cell[self.pending],
                twins,
                waits=takes_long and expert is not turn,
            )
            for expert, y in reversed(
                turns
            )  # the mildest first, which tells weights best
        ][::-1]

    def _look_up(self, cells: Sequence[Cell]) -> tuple[Floats, Mask]:
        if self._known is None:
            return np.zeros((len(cells), self._objectives)), np.ones(
                len(cells), dtype=bool
            )
        return self._known.vector(cells), self._known.feasible(cells)

    @abstractmethod
    def places(self, cells: Iterable[Cell]) -> Places:
        """Return the pool indices of cells. Cells that are not in the pool are added to it."""

    @abstractmethod
    def cheapest(self, free: Mask) -> Places:
        """Return, for every point with an available cell, the index of the available cell with the
        least free λR, shape ``(k,)``. All cells of a point have the same predicted L.
        """

    @abstractmethod
    def around(self, cell: Cell) -> Places:
        """Return the pool indices of a cell's neighbours."""


class Whole(Pool):
    """A pool of all cells of an enumerable space."""

    def __init__(self, space: Enumerable, points: Points, *shared: Any) -> None:
        super().__init__(*shared)
        self.cells = space
        self._space = space
        self._views, self.of_cell, self._groups = points
        self.known, self.allowed = self._look_up(space)
        ties = self._rng.random(len(space))
        self._order = np.lexsort((ties, self.known.sum(axis=1), self.of_cell))

    def places(self, cells: Iterable[Cell]) -> Places:
        """Return the indices of cells in the order of the space."""
        return np.array([cell.index for cell in cells], dtype=np.intp)

    def cheapest(self, free: Mask) -> Places:
        """Return, for every point with an available cell, the index of the available cell with the
        least free λR.
        """
        left = self._order[free[self._order]]
        of_left = self.of_cell[left]
        return np.asarray(left[np.concatenate([[True], of_left[1:] != of_left[:-1]])])

    def around(self, cell: Cell) -> Places:
        """Return the pool indices of all neighbours of a cell."""
        return self.places(self._space.neighbours(cell))


class Choice(Pool):
    """A pool with a sample of the cells of a space that is too large to enumerate. Each cell of the
    pool is a separate point.
    """

    def __init__(self, space: Space, with_costs: bool, *shared: Any) -> None:
        super().__init__(*shared)
        self._space = space
        self._with_costs = with_costs
        self._around: dict[Cell, Sequence[Cell]] = {}
        self._begin()

    def _begin(self) -> None:
        self.cells: list[Cell] = []
        self._place: dict[Cell, int] = {}
        self._kept.clear()
        self.of_cell = np.empty(0, dtype=np.intp)
        self.known = np.empty((0, self._objectives))
        self.allowed = np.empty(0, dtype=bool)
        self._views = ()

    def look(
        self,
        told: Collection[Cell],
        asked: Iterable[Cell],
        ranked: Callable[[], list[Cell]],
    ) -> None:
        """Record observed and pending cells, then add mutations of the best observed cells. A pool
        that has become too large is rebuilt first.
        """
        most = max(_MOST, 3 * sum(map(len, self._kept.values())))
        anew = not self.cells or len(self.cells) > most
        if anew:
            self._begin()
        super().look(told, asked, ranked)
        near = [
            self._space.mutate(cell, self._rng)
            for cell in ranked()[:_PARENTS]
            for _ in range(_FIRST_CHILDREN if anew else _CHILDREN)
        ]
        drawn = [self._space.sample(self._rng) for _ in range(_DRAWN if anew else 0)]
        self.places([*near, *drawn])

    def places(self, cells: Iterable[Cell]) -> Places:
        """Return the pool indices of cells. Cells that are not in the pool are added to it."""
        cells = list(cells)
        if new := list(
            dict.fromkeys(cell for cell in cells if cell not in self._place)
        ):
            self._add(new)
        return np.array([self._place[cell] for cell in cells], dtype=np.intp)

    def _add(self, cells: list[Cell]) -> None:
        n = len(self.cells)
        self._place.update((cell, n + number) for number, cell in enumerate(cells))
        self.cells += cells
        views, _, self._groups = some(self._space, cells, self._with_costs)
        self._views = (
            tuple(map(np.vstack, zip(self._views, views, strict=True))) if n else views
        )
        for experts in self._experts.values():
            for expert, view in zip(experts, self._views, strict=True):
                (expert.extend if n else expert.begin)(view)
        known, allowed = self._look_up(cells)
        self.known = np.vstack([self.known, known])
        self.allowed = np.concatenate([self.allowed, allowed])
        self.of_cell = np.arange(len(self.cells))

    def cheapest(self, free: Mask) -> Places:
        """Return the pool indices of all available cells."""
        return np.flatnonzero(free)

    def around(self, cell: Cell) -> Places:
        """Return the pool indices of a sample of a cell's neighbours, the same sample on every
        call.
        """
        if cell not in self._around:
            near = self._space.neighbours(cell)
            chosen = self._rng.permutation(len(near))[:_MOST_NEIGHBOURS]
            self._around[cell] = [near[int(place)] for place in chosen]
        return self.places(self._around[cell])
