"""An ensemble of small fully connected networks.

Each network has its own initial weights and leaves out other training cells.

White, Neiswanger & Savani, "BANANAS", AAAI 2021, use an ensemble of networks on the path encoding
and the spread of their predictions as the uncertainty. The networks of this package have three
layers instead of ten. The networks fit the logarithm of an error by least squares, which emphasises
the best cells, as the relative absolute error in BANANAS does. All members are slices of one
stacked network and are trained together.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import silu

from surrogate_nas.core import text, whole
from surrogate_nas.space import Cell
from surrogate_nas.surrogates.base import (
    Arrays,
    Floats,
    Model,
    Prediction,
    columns,
    default_encoding,
    spread_of,
    within,
)
from surrogate_nas.surrogates.gnn import PARTS, Weights, blind_parts, optimise, squared

_BATCH = 256
_CHUNK = 16_384  # cells predicted at once


class Perceptrons(Model):
    """The mean of several multilayer perceptrons, which are trained together.

    Args:
        seed: Seed of the initial weights, the batches and the left-out parts.
        encoding: The encoding of cells. The default is ``functional`` for errors and losses, and
            ``path_and_graph`` for other quantities.
        members: Number of networks, at least 10 (two for each left-out part).
        width: Width of each of the two hidden layers.
        steps: Number of optimiser steps.

    Example:
        >>> Perceptrons("loss", steps=10).members
        10
    """

    name: ClassVar[str] = "mlp"
    learned: ClassVar[tuple[str, ...]] = ("centre", "spread", "noise")

    encoding: str = text(None)
    members: int = whole(10, 2 * PARTS)
    width: int = whole(32, 1)
    steps: int = whole(80, 1)

    def _begin(self) -> None:
        self.encoding = self.encoding or default_encoding(self.quantity)

    def _matrix(self, cells: Sequence[Cell]) -> Tensor:
        return torch.as_tensor(
            (columns(self._space, cells, self.encoding) - self._centre) / self._spread
        )

    def _learn(self, cells: Sequence[Cell], target: Floats) -> None:
        raw = columns(self._space, cells, self.encoding)
        self._centre = raw.mean(axis=0)
        self._spread = spread_of(raw, 1e-6)
        generator = torch.Generator().manual_seed(self.seed)
        matrix = self._matrix(cells)
        goal = torch.as_tensor(target, dtype=torch.float32)
        self._parts, seen = blind_parts(len(cells), self.members, self.seed)

        def loss(weights: Weights, batch: Tensor) -> Tensor:
            return squared(
                _values(weights, matrix[batch]), goal[batch], seen[:, batch]
            ).sum()

        sizes = [raw.shape[1], self.width, self.width, 1]
        fresh: Weights = {}
        for layer, (before, after) in enumerate(pairwise(sizes)):
            drawn = torch.randn(self.members, before, after, generator=generator)
            fresh[f"{layer}/weight"] = drawn / math.sqrt(before)
            fresh[f"{layer}/bias"] = torch.zeros(self.members, 1, after)
        self._weights = optimise(fresh, loss, len(cells), self.steps, _BATCH, generator)
        errors = (self._by_member(cells) - target)[(seen == 0).numpy()]
        self._noise = float(np.sqrt((errors**2).mean()))

    def _by_member(self, cells: Sequence[Cell]) -> Floats:
        chunks = torch.split(self._matrix(cells), _CHUNK)
        with torch.no_grad():
            parts = [_values(self._weights, rows) for rows in chunks]
        return torch.hstack(parts).double().numpy()

    def _predict(self, cells: Sequence[Cell]) -> Prediction:
        members = self._by_member(cells)
        return Prediction(
            members.mean(axis=0),
            np.sqrt(members.var(axis=0) + (0.5 * self._noise) ** 2),
        )

    def _held_out(self, cells: Sequence[Cell], target: Floats) -> Prediction:
        members = self._by_member(cells)
        mean = np.empty(len(cells))
        for part, left_out in enumerate(self._parts):
            mean[left_out] = members[part :: len(self._parts), left_out].mean(axis=0)
        return Prediction(mean, self._predict(cells).std)

    def _arrays(self) -> Arrays:
        weights = {
            f"weights/{name}": weight.numpy() for name, weight in self._weights.items()
        }
        return super()._arrays() | weights

    def _restore(self, arrays: Arrays) -> None:
        super()._restore(arrays)
        self._weights = {
            name: torch.as_tensor(array)
            for name, array in within("weights/", arrays).items()
        }


def _values(weights: Weights, matrix: Tensor) -> Tensor:
    hidden = silu(matrix @ weights["0/weight"] + weights["0/bias"])
    hidden = hidden + silu(hidden @ weights["1/weight"] + weights["1/bias"])
    return (hidden @ weights["2/weight"] + weights["2/bias"])[..., 0]
