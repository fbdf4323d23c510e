"""A Gaussian process over cells (Rasmussen & Williams, MIT Press 2006), in plain NumPy.

Matérn-5/2 on a weighted sum of squared distances, one weight a block of columns; weights and noise
maximise the marginal likelihood. Leave-one-out predictions, for the calibration, have a closed form
(their section 5.4.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple, Self

import numpy as np

from surrogate_nas.core.arguments import check_flag, check_names
from surrogate_nas.core.metrics import LOSSES, Quantity
from surrogate_nas.space import Cell, Space
from surrogate_nas.surrogates.base import Arrays, Floats, Prediction, Surrogate
from surrogate_nas.surrogates.columns import columns, scaling
from surrogate_nas.surrogates.gaussian import (
    FittedProcess,
    matern_of_squares,
    most_likely_weights,
    squared_distances,
    weighted,
)

# Beyond the seen values the slope over so many of the outermost ones goes on.
_TAIL = 0.1
_REACH = 3.0


def normal_scores(values: Floats) -> Floats:
    """The quantiles of a normal distribution at the ranks of values, shape ``(n,)``; equal ones
    share their mean rank.

    Args:
        values: Shape ``(n,)``.

    Example:
        >>> normal_scores(np.array([3.0, 1.0, 3.0, 9.0])).round(2)
        array([ 0.  , -1.15,  0.  ,  1.15])
    """
    from scipy.special import ndtri  # and no scipy.stats, which takes half a second to import

    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2
    return np.asarray(ndtri((ranks[places] - 0.5) / len(values)))


class Warp(NamedTuple):
    """A monotone map between values and normal scores.

    Attributes:
        knots: Different values, rising, shape ``(k,)``.
        scores: Their normal scores, rising.
    """

    knots: Floats
    scores: Floats

    @classmethod
    def fit(cls, values: Floats) -> Self:
        """Make the map for values; equal ones share the score of their mean rank.

        Args:
            values: Shape ``(n,)``, at least two different.
        """
        knots, first = np.unique(values, return_index=True)
        scores = normal_scores(values)[first]
        reach = max(1, round(_TAIL * (len(knots) - 1)))
        low = (knots[reach] - knots[0]) / (scores[reach] - scores[0])
        high = (knots[-1] - knots[-1 - reach]) / (scores[-1] - scores[-1 - reach])
        return cls(
            np.concatenate([[knots[0] - _REACH * low], knots, [knots[-1] + _REACH * high]]),
            np.concatenate([[scores[0] - _REACH], scores, [scores[-1] + _REACH]]),
        )

    def forward(self, values: Floats) -> Floats:
        """Values to normal scores; `values` of shape ``(n,)``."""
        return np.interp(values, self.knots, self.scores)

    def backward(self, mean: Floats, std: Floats) -> tuple[Floats, Floats]:
        """Normal scores to values; the standard deviation is half of what one up and one down span.

        Args:
            mean: Shape ``(n,)``.
            std: Shape ``(n,)``.
        """
        low, middle, high = (
            np.interp(mean + step * std, self.scores, self.knots) for step in (-1, 0, 1)
        )
        return middle, (high - low) / 2


class GaussianProcess(Surrogate):
    """A Gaussian process on blocks of columns, each scaled so that two random cells are about 1
    apart.

    Args:
        seed: Chooses the cells whose likelihood is maximised, where there are more than 400.
        blocks: The encodings behind the kernel; empty for what suits the quantity.
        warp: Whether ranks, as normal scores, are learned instead of the logarithm: better from
            few cells.

    Example:
        >>> import surrogate_nas as sn
        >>> bench = sn.load("fashion")
        >>> losses = bench.column("valid_loss")
        >>> model = GaussianProcess("loss").fit(bench.space[::150], losses[::150])
        >>> mean, std = model.predict(bench.space[7::150])
        >>> covered = np.abs(losses[7::150] - mean) <= 1.645 * std  # of 105 unseen cells about 90 %
        >>> bool(covered.mean() > 0.75), bool(np.corrcoef(mean, losses[7::150])[0, 1] > 0.9)
        (True, True)
    """

    name: ClassVar[str] = "gp"

    def __init__(
        self,
        quantity: Quantity = "error",
        *,
        seed: int = 0,
        calibrate: bool = True,
        blocks: Sequence[str] = (),
        warp: bool = False,
    ) -> None:
        super().__init__(quantity, seed=seed, calibrate=calibrate)
        default = (
            ("alive", "signal") if quantity in LOSSES else ("path_and_graph", "operation_counts")
        )
        self.blocks = check_names("The blocks of the gp", blocks) or default
        self.warp = check_flag("warp", warp)

    def prepare(self, space: Space) -> None:
        """Survey the space by every block of columns."""
        for block in self.blocks:
            scaling(space, block)

    def _points(self, cells: Sequence[Cell]) -> list[Floats]:
        return [
            scaling(self._space, block).unit(columns(self._space, cells, block))
            for block in self.blocks
        ]

    def _kernel(self, left: Sequence[Floats], right: Sequence[Floats]) -> Floats:
        distances = [squared_distances(a, b) for a, b in zip(left, right, strict=True)]
        return matern_of_squares(weighted(self._weights, distances))

    def _learn(self, cells: Sequence[Cell], target: Floats) -> None:
        self._warp = Warp.fit(target) if self.warp else None
        learned = self._warp.forward(target) if self._warp else target
        self._cells = list(cells)
        self._offset = float(learned.mean())
        centred = learned - self._offset
        self._known = self._points(cells)
        self._weights, noise = most_likely_weights(self._known, centred, self.seed)
        self._process = FittedProcess.seeing(self._kernel(self._known, self._known), centred, noise)
        self._left_out = self._process.left_out(learned)

    def _predict(self, cells: Sequence[Cell]) -> Prediction:
        mean, std = self._process.predict(self._kernel(self._known, self._points(cells)))
        return self._unwarped(self._offset + mean, std)

    def _unwarped(self, mean: Floats, std: Floats) -> Prediction:
        return Prediction(*(self._warp.backward(mean, std) if self._warp else (mean, std)))

    def _held_out(self, cells: Sequence[Cell], target: Floats) -> Prediction:  # noqa: ARG002
        return self._unwarped(*self._left_out)

    def _arrays(self) -> Arrays:
        warp = self._warp._asdict() if self._warp else {}
        numbers = np.array([self._offset, self._process.noise, self._process.variance])
        names = "\n".join(cell.text for cell in self._cells).encode()
        return warp | {
            "root": self._process.root,
            "alpha": self._process.alpha,
            "names": np.frombuffer(names, dtype=np.uint8),
            "weights": self._weights,
            "numbers": numbers,
        }

    def _restore(self, arrays: Arrays) -> None:
        self._warp = Warp(arrays["knots"], arrays["scores"]) if self.warp else None
        names = bytes(arrays["names"]).decode().split("\n")
        self._cells = list(map(self._space.parse, names))
        self._known = self._points(self._cells)
        self._weights = arrays["weights"]
        self._offset, noise, variance = (float(number) for number in arrays["numbers"])
        self._process = FittedProcess(arrays["root"], arrays["alpha"], noise, variance)
