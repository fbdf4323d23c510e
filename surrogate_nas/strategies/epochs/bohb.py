"""BOHB: Hyperband that samples cells where good cells are denser than bad ones.

Falkner, Klein & Hutter, "BOHB: Robust and Efficient Hyperparameter Optimization at Scale", ICML
2018, with the densities of Bergstra et al. (TPE, NeurIPS 2011) over choices. Departures: the width
of a choice's kernel follows from how often options differ, not from their indices, whose order has
no meaning. It never makes another option more likely than the datum's own. Cells that were proposed
before are skipped. If a sampled combination is not a cell of the space, it is replaced by a
mutation of the good cell that it came from. ``bandwidth_factor`` widens the sampling distribution,
as in the paper; the paper's code does so for numbers only.
"""

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core import UserError, number, whole
from surrogate_nas.space import Cell, Choices, ChoiceSpace, Trial, choices_of
from surrogate_nas.strategies.epochs.hyperband import Hyperband
from surrogate_nas.strategies.epochs.rungs import Rung

# Densities over choices: kernel estimates of good and of bad cells, and cells that the first makes
# likelier.
#
# Aitchison & Aitken, "Multivariate Binary Discrimination by the Kernel Method", Biometrika 1976:
# with a width λ, an option keeps 1 − λ of a datum's weight and the others share λ.


Floats = NDArray[np.float64]
_REFERENCE = 1.06
_LEAST = 1e-32


class Density(NamedTuple):
    """A kernel density estimate over choices.

    Attributes:
        data: The choices of the cells that it is fitted to, shape ``(n, positions)``.
        widths: The kernel width λ of every position.
        counts: Number of options of every position.
    """

    data: Choices
    widths: Floats
    counts: Floats

    @classmethod
    def of(cls, data: Choices, counts: Floats, narrowest: float) -> Self:
        """Estimate a density, with λ by the normal reference rule, where two options of a position
        are 1 apart.
        """
        n, d = data.shape
        shares = [np.bincount(column, minlength=1) / n for column in data.T]
        variance = np.array([(1 - share @ share) / 2 for share in shares])
        widths = np.maximum(
            _REFERENCE * np.sqrt(variance) * n ** (-1 / (4 + d)), narrowest
        )
        return cls(data, np.minimum(widths, 1 - 1 / counts), counts)

    def at(self, points: Choices) -> Floats:
        """Return the density at some choices, shape ``(m,)``; `points` has shape
        ``(m, positions)``.
        """
        other = self.widths / np.maximum(self.counts - 1, 1)
        weights = np.where(points[:, None] == self.data, 1 - self.widths, other)
        return np.asarray(np.maximum(weights.prod(axis=2).mean(axis=1), _LEAST))

    def draw(
        self,
        n: int,
        factor: float,
        rng: np.random.Generator,
    ) -> tuple[Choices, NDArray[np.intp]]:
        """Sample choices with all λ multiplied by `factor`, shape ``(n, positions)``; also return
        the index of each one's datum.
        """
        widths = np.minimum(factor * self.widths, 1 - 1 / self.counts)
        origin = rng.integers(len(self.data), size=n)
        data = self.data[origin].astype(np.intp)
        moved = rng.random(data.shape) < widths
        steps = 1 + np.floor(rng.random(data.shape) * (self.counts - 1)).astype(np.intp)
        drawn = np.where(moved, (data + steps) % self.counts.astype(np.intp), data)
        return drawn.astype(self.data.dtype), origin


_GOOD = 0.15
_SPARE = 2


class Bohb(Hyperband):
    """Hyperband that fits densities to the highest rung with enough observed cells.

    The best 15 % of a rung's cells are good, the others bad. Both densities use at least one cell
    more than the space has positions; if few cells are observed, some belong to both.

    Args:
        num_samples: Number of cells that are sampled to choose one from, N_s.
        random_fraction: Share of cells that are sampled uniformly, ρ.
        bandwidth_factor: Factor of the widths for sampling cells, b_w.
        min_bandwidth: Minimum width.

    Raises:
        UserError: The space is not a `ChoiceSpace`, or an option is out of range.

    Example:
        >>> import surrogate_nas as sn
        >>> Bohb(sn.nb201(), seed=0, eta=2).num_samples
        64
    """

    space: ChoiceSpace
    num_samples: int = whole(64)
    random_fraction: float = number(1 / 3, most=1.0)
    bandwidth_factor: float = number(3.0, above=True)
    min_bandwidth: float = number(1e-3, above=True)
    _model: tuple[list[Cell], Density, Density] | None = None
    _stale = False

    def _begin(self) -> None:
        super()._begin()
        if not isinstance(self.space, ChoiceSpace):
            raise UserError(
                f"bohb needs a space of choices (ChoiceSpace); {self.space.name} is not one."
            )
        self._counts = np.array(list(map(len, self.space.options)), dtype=np.float64)
        self._seen: dict[Rung, list[Trial]] = {}

    def _learn(self, trial: Trial, rung: Rung | None) -> None:
        if trial.failure:
            return
        same = (one for one in reversed(self.ladder) if one.epochs == trial.epochs)
        if rung := rung or next(same, None):
            self._seen.setdefault(rung, []).append(trial)
            self._stale = True

    def _draw(self) -> Cell:
        if self._stale:
            self._model = self._fitted()
            self._stale = False
        if self._model is None or self.rng.random() < self.random_fraction:
            return super()._draw()
        known, good, bad = self._model
        drawn, origin = good.draw(self.num_samples, self.bandwidth_factor, self.rng)
        pairs = zip(drawn.tolist(), origin.tolist(), strict=True)
        cells = [self._cell(choices, known[place]) for choices, place in pairs]
        new = [cell for cell in dict.fromkeys(cells) if cell not in self._known]
        if not new:
            return super()._draw()
        points = choices_of(new)
        cell = new[int((good.at(points) / bad.at(points)).argmax())]
        self._known.add(cell)
        return cell

    def _cell(self, choices: Sequence[int], origin: Cell) -> Cell:
        try:
            return self.space.at(choices)
        except UserError:
            return self.space.mutate(origin, self.rng)

    def _fitted(self) -> tuple[list[Cell], Density, Density] | None:
        least = len(self._counts) + 1
        for rung in reversed(self.ladder):
            trials = self._seen.get(rung, [])
            if len(trials) < least + _SPARE:
                continue
            ranked = [trial.cell for trial in rung.ranked(trials)]
            n = max(least, int(_GOOD * len(ranked)))
            rest = max(least, len(ranked) - n)
            good, bad = (
                Density.of(choices_of(cells), self._counts, self.min_bandwidth)
                for cells in (ranked[:n], ranked[-rest:])
            )
            return ranked[:n], good, bad
        return None
