"""A graph network that is equal on functionally equal cells, in plain dense PyTorch.

It passes messages from the input to the output over the graph of terms that all cells share
(`Space.terms`): a convolution transforms the sum of the embeddings that it reads, pooling moves an
embedding, and the output reads its summands, and all live convolutions of the cell besides.
Invariance to relabelling and to functional identity need no training: two such cells are one row. A
head adds path, graph and signal features, averaged over the functional class. Since a space has few
terms, several networks of different initialisation are trained at once, stacked in a leading
dimension; each leaves a part of the cells out, which gives the spread and the calibration for
nothing.

Sources: computing along the graph, Zhang et al., "D-VAE", NeurIPS 2019; a pairwise ranking loss, Xu
et al., "ReNAS", CVPR 2021; unsupervised pre-training on the whole space, Yan et al., "arch2vec",
NeurIPS 2020.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from surrogate_nas.core.arguments import check_flag, check_name, check_number, check_whole
from surrogate_nas.core.errors import UserError, unknown
from surrogate_nas.core.metrics import Quantity
from surrogate_nas.space import Cell, Enumerable, Space
from surrogate_nas.surrogates.base import Arrays, Prediction, Surrogate, folds
from surrogate_nas.surrogates.columns import surveyed
from surrogate_nas.surrogates.gnn_network import (
    MEMBERS,
    Inputs,
    Weights,
    body,
    has_terms,
    head,
    inputs_of,
    optimise,
    pretrained,
    standard,
    values_of,
)
from surrogate_nas.surrogates.losses import LOSSES, logistic_rank
from surrogate_nas.surrogates.target import Floats

_TAIL = 0.1
"""Beyond the outermost knots the line goes on as steeply as it rises on average over this share of
the cells.
"""
_LEAST_SLOPE = 0.05


class Units(NamedTuple):
    """A strictly rising map from the scores of an ensemble to the target.

    Attributes:
        centre: Of each member's scores, shape ``(members, 1)``.
        spread: Their standard deviation, same shape.
        knots: Standardised scores, rising, shape ``(k,)``.
        values: The target at them, rising.
        slopes: Below the first knot and above the last, shape ``(2,)``.
    """

    centre: Floats
    spread: Floats
    knots: Floats
    values: Floats
    slopes: Floats

    @classmethod
    def fit(cls, scores: Floats, unseen: NDArray[np.bool_], target: Floats) -> Self:
        """Lay the line: isotonic regression, joined through the middles of its steps, which would
        make cells equal.

        Every member is standardised over all cells; then the line is laid through what members say
        of the cells that they have not seen. Barlow et al., "Statistical inference under order
        restrictions", 1972; for classifiers Zadrozny and Elkan, KDD 2002.

        Args:
            scores: Of the training cells, shape ``(members, n)``.
            unseen: Whether a member did not learn from a cell, same shape.
            target: Shape ``(n,)``.
        """
        from scipy.optimize import isotonic_regression

        centre = scores.mean(axis=1, keepdims=True)
        spread = np.maximum(scores.std(axis=1, keepdims=True), 1e-9)
        members, cells = np.nonzero(unseen)
        z = ((scores - centre) / spread)[members, cells]
        order = np.argsort(z, kind="stable")
        z = z[order]
        wanted = target[cells][order]
        blocks = isotonic_regression(wanted).blocks
        knots, values = (
            np.add.reduceat(column, blocks[:-1]) / np.diff(blocks) for column in (z, wanted)
        )
        apart = np.concatenate([[True], np.diff(knots) > 0])
        knots = knots[apart]
        values = values[apart]
        gradients = []
        for first, inner in (
            (knots[0], np.quantile(z, _TAIL)),
            (knots[-1], np.quantile(z, 1 - _TAIL)),
        ):
            nearest = knots[np.argsort(np.abs(knots - first))[:2]][-1]
            other = inner if abs(inner - first) > abs(nearest - first) else nearest
            rise = abs(np.interp(other, knots, values) - np.interp(first, knots, values))
            gradients.append(max(rise / max(abs(other - first), 1e-9), _LEAST_SLOPE))
        return cls(centre, spread, knots, values, np.array(gradients))

    def of(self, scores: Floats) -> Floats:
        """The target that scores stand for, shape as given; `scores` of shape ``(members, n)``."""
        z = (scores - self.centre) / self.spread
        below = np.minimum(z - self.knots[0], 0.0)
        above = np.maximum(z - self.knots[-1], 0.0)
        inside = np.interp(z, self.knots, self.values)
        return np.asarray(
            inside + self.slopes[0] * below + self.slopes[1] * above, dtype=np.float64
        )


_PARTS = 5
_BATCH = 128
_STEPS_PER_ROOT = 20
_FEWEST_STEPS = 200
_MOST_STEPS = 800
"""Optimiser steps grow with the root of the number of cells: few cells are soon learned by
heart.
"""


class GraphNetwork(Surrogate):
    """An ensemble of graph networks, stacked and trained together.

    For a cost, which dead operations add to, the head also reads the raw operation counts; the
    prediction is then not equal on functionally equal cells, as the metric is not.

    Args:
        seed: Of the initialisations, batches and left-out parts.
        loss: A key of `LOSSES`: what is minimised. The ranking losses learn the order only;
            their predictions get the target's unit afterwards, by `Units`.
        ranking: The weight of a pairwise logistic ranking loss beside the loss.
        pretrain: Whether the networks learn the free metrics of the whole space first, once a
            process.
        steps: Optimiser steps; None for what suits the number of cells.

    Example:
        >>> import surrogate_nas as sn
        >>> bench = sn.load("fashion")
        >>> losses = bench.column("valid_loss")
        >>> model = GraphNetwork("loss", pretrain=False, steps=60).fit(
        ...     bench.space[::150], losses[::150]
        ... )
        >>> bool(np.corrcoef(model.predict(bench.space[7::150]).mean, losses[7::150])[0, 1] > 0.5)
        True
    """

    name: ClassVar[str] = "gnn"

    def __init__(
        self,
        quantity: Quantity = "error",
        *,
        seed: int = 0,
        calibrate: bool = True,
        loss: str = "mse",
        ranking: float = 0.0,
        pretrain: bool = True,
        steps: int | None = None,
    ) -> None:
        super().__init__(quantity, seed=seed, calibrate=calibrate)
        if check_name("The loss of the gnn", loss) not in LOSSES:
            raise unknown("loss of a surrogate", loss, LOSSES)
        self.loss = loss
        self.ranking = check_number("The weight of the ranking loss", ranking)
        self.pretrain = check_flag("pretrain", pretrain)
        self.steps = None if steps is None else check_whole("The number of steps", steps, 1)

    _space: Enumerable
    _units: Units | None
    _members: Floats

    @classmethod
    def reads(cls, space: Space) -> bool:
        """Whether its cells are graphs of shared terms."""
        return has_terms(space)

    def _learn(self, cells: Sequence[Cell], target: Floats) -> None:
        if not has_terms(self._space):
            raise UserError(
                f"The graph network needs a space of graphs (Space.terms); {self._space.name} has"
                " none. Choose another model."
            )
        inputs = self._inputs
        generator = torch.Generator().manual_seed(self.seed)
        rows = torch.as_tensor(self._rows(cells))
        classes, extra = self._table()
        weights = body(generator) | head(inputs.features.shape[1], extra.shape[1], generator)
        if self.pretrain:
            weights |= pretrained(self._space)
        left_out = folds(len(cells), _PARTS, self.seed)
        seen = torch.ones(MEMBERS, len(cells))
        for member in range(MEMBERS):
            seen[member, left_out[member % len(left_out)]] = 0.0
        sign = -1.0 if self.quantity in ("quality", "proxy") else 1.0
        goal = sign * torch.as_tensor(target, dtype=torch.float32)

        def loss(weights: Weights, batch: Tensor) -> Tensor:
            guess = sign * values_of(weights, inputs, classes[rows[batch]], extra[rows[batch]])
            given = guess, goal[batch], seen[:, batch]
            total = LOSSES[self.loss](*given)
            return (total + self.ranking * logistic_rank(*given) if self.ranking else total).sum()

        steps = self.steps or int(
            np.clip(_STEPS_PER_ROOT * math.sqrt(len(cells)), _FEWEST_STEPS, _MOST_STEPS)
        )
        self._parts = left_out
        self._units = None
        self._take(optimise(weights, loss, len(cells), steps, _BATCH, generator))
        if self.loss != "mse":
            self._units = Units.fit(self._members[:, rows.numpy()], seen.numpy() == 0, target)
            self._members = self._units.of(self._members)
        self._noise = float(np.sqrt(((self._members[:, rows.numpy()] - target) ** 2).mean()))

    def _take(self, weights: Weights) -> None:
        """Keep the weights, and what they say of the whole space: then no prediction depends on the
        batch it is in.
        """
        self._weights = weights
        with torch.no_grad():
            scores = values_of(weights, self._inputs, *self._table()).double().numpy()
        self._members = scores if self._units is None else self._units.of(scores)

    @property
    def _inputs(self) -> Inputs:
        return inputs_of(self._space)

    def _table(self) -> tuple[Tensor, Tensor]:
        """The class and the further columns of every row: rows are classes, and for a cost the
        single cells.
        """
        if self.quantity != "cost":
            n = len(self._inputs.classes)
            return torch.arange(n), torch.zeros(n, 0)
        counts = surveyed(self._space, "operation_counts", ())
        return torch.as_tensor(self._space.classes).long(), torch.as_tensor(standard(counts))

    def _rows(self, cells: Sequence[Cell]) -> NDArray[np.intp]:
        indices = np.array([cell.index for cell in cells], dtype=np.intp)
        classes = self._space.classes
        return (
            indices
            if self.quantity == "cost" or classes is None
            else classes[indices].astype(np.intp)
        )

    def _predict(self, cells: Sequence[Cell]) -> Prediction:
        members = self._members[:, self._rows(cells)]
        return Prediction(members.mean(axis=0), np.sqrt(members.var(axis=0) + self._noise**2))

    def _held_out(self, cells: Sequence[Cell], target: Floats) -> Prediction:  # noqa: ARG002
        members = self._members[:, self._rows(cells)]
        mean = np.empty(len(cells))
        unseen = np.empty(len(cells))
        for part, left_out in enumerate(self._parts):
            without = members[part :: len(self._parts), left_out]
            mean[left_out] = without.mean(axis=0)
            unseen[left_out] = without.var(axis=0, ddof=1)
        variance = members.var(axis=0)
        spread = variance * unseen.mean() / variance.mean()
        fewer = unseen.mean() * (len(self._parts) - 1) / MEMBERS
        return Prediction(mean, np.sqrt(spread + fewer + self._noise**2))

    def _arrays(self) -> dict[str, NDArray[Any]]:
        units = (
            {}
            if self._units is None
            else {f"units/{name}": a for name, a in self._units._asdict().items()}
        )
        weights = {name: weight.numpy() for name, weight in self._weights.items()}
        return weights | units | {"noise": np.array(self._noise)}

    def _restore(self, arrays: Arrays) -> None:
        self._noise = float(arrays["noise"])
        self._units = (
            None
            if self.loss == "mse"
            else Units(*(arrays[f"units/{name}"] for name in Units._fields))
        )
        weights = {
            name: array
            for name, array in arrays.items()
            if name != "noise" and not name.startswith("units/")
        }
        self._take({name: torch.as_tensor(array) for name, array in weights.items()})
