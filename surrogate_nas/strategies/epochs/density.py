"""Densities over choices: kernel estimates of good and of bad cells, and cells that the first makes likelier.

Aitchison & Aitken, "Multivariate Binary Discrimination by the Kernel Method", Biometrika 1976: with a width λ, an
option keeps 1 − λ of a datum's weight and the others share λ.
"""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.space.cell import Choices

Floats = NDArray[np.float64]
_REFERENCE = 1.06
_LEAST = 1e-32


class Density(NamedTuple):
    """A kernel estimate.

    Attributes:
        data: What it is made of, shape ``(n, positions)``.
        widths: λ of every position.
        counts: How many options every position has.
    """

    data: Choices
    widths: Floats
    counts: Floats

    @classmethod
    def of(cls, data: Choices, counts: Floats, narrowest: float) -> Self:
        """The estimate with λ by the normal reference rule, where two options of a position are 1 apart.

        Args:
            data: Shape ``(n, positions)``.
            counts: How many options every position has.
            narrowest: The least λ.
        """
        n, d = data.shape
        shares = [np.bincount(column, minlength=1) / n for column in data.T]
        variance = np.array([(1 - share @ share) / 2 for share in shares])
        widths = np.maximum(_REFERENCE * np.sqrt(variance) * n ** (-1 / (4 + d)), narrowest)
        return cls(data, np.minimum(widths, 1 - 1 / counts), counts)

    def at(self, points: Choices) -> Floats:
        """The density at some choices, shape ``(m,)``.

        Args:
            points: Shape ``(m, positions)``.
        """
        other = self.widths / np.maximum(self.counts - 1, 1)
        weights = np.where(points[:, None] == self.data, 1 - self.widths, other)
        return np.asarray(np.maximum(weights.prod(axis=2).mean(axis=1), _LEAST))

    def draw(self, n: int, factor: float, rng: np.random.Generator) -> tuple[Choices, NDArray[np.intp]]:
        """Draw from the same estimate with all λ multiplied.

        Args:
            n: How many.
            factor: What λ is multiplied by, as far as all options stay no likelier than the datum's own.
            rng: The generator that the draw advances.

        Returns:
            The choices, shape ``(n, positions)``, and the datum that each came from.
        """
        widths = np.minimum(factor * self.widths, 1 - 1 / self.counts)
        origin = rng.integers(len(self.data), size=n)
        data = self.data[origin].astype(np.intp)
        moved = rng.random(data.shape) < widths
        steps = 1 + np.floor(rng.random(data.shape) * (self.counts - 1)).astype(np.intp)
        drawn = np.where(moved, (data + steps) % self.counts.astype(np.intp), data)
        return drawn.astype(self.data.dtype), origin
