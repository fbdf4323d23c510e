"""BOHB: Hyperband that samples cells where good cells are denser than bad ones.

Falkner, Klein & Hutter, "BOHB: Robust and Efficient Hyperparameter Optimization at Scale", ICML
2018, with densities over choices as in TPE (Bergstra et al., NeurIPS 2011). Departures from the
paper: The kernel width of a position follows from how often its options differ between cells, not
from the options' indices, whose order has no meaning. The kernel around a cell never makes another
option more likely than the cell's own option. Cells that were proposed before are skipped. If a
sampled combination of choices is not a cell of the space, it is replaced by a mutation of the good
cell around which it was sampled. ``bandwidth_factor`` widens the sampling distribution, as in the
paper; the authors' code widens it for numerical parameters only.
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
        data: The choices of the cells to which the density is fitted, shape ``(n, positions)``.
        widths: The kernel width λ of every position.
        counts: Number of options of every position.
    """

    data: Choices
    widths: Floats
    counts: Floats

    @classmethod
    def of(cls, data: Choices, counts: Floats, narrowest: float) -> Self:
        """Estimate a density over choices. The kernel width λ follows the normal reference rule,
        with a distance of 1 between any two options of a position.
        """
        n, d = data.shape
        shares = [np.bincount(column, minlength=1) / n for column in data.T]
        variance = np.array([(1 - share @ share) / 2 for share in shares])
        widths = np.maximum(
            _REFERENCE * np.sqrt(variance) * n ** (-1 / (4 + d)), narrowest
        )
        return cls(data, np.minimum(widths, 1 - 1 / counts), counts)

    def at(self, points: Choices) -> Floats:
        """Return the density at given combinations of choices, shape ``(m,)``; `points` has shape
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
        """Sample `n` combinations of choices from the density with all widths λ multiplied by
        `factor`. Return the choices, shape ``(n, positions)``, and the indices of the cells around
        which they were sampled.
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
    """Hyperband with densities of good and bad cells, fitted at the highest rung with enough cells.

    The best 15 % of a rung's cells count as good, the other cells as bad. Each of the two densities
    is fitted to at least one cell more than the space has positions. If few cells are observed,
    some cells count as both good and bad.

    Args:
        num_samples: Number N_s of cells that are sampled from the density of good cells; one of the
            samples is proposed.
        random_fraction: Share ρ of new cells that are sampled uniformly.
        bandwidth_factor: Factor b_w by which kernel widths are multiplied when cells are sampled.
        min_bandwidth: Minimum kernel width.

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
