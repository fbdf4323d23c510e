"""A graph neural network that predicts the same value for isomorphic cells, in plain dense PyTorch.

The network passes messages from the input to the output over the graph of terms that all cells
share (`Space.terms`). A convolution of the cell transforms the sum of its input embeddings, and
pooling transforms one embedding. The output of the cell reads its summands and, in addition, all
live convolutions of the cell. The network needs no training to be invariant to relabelling and
isomorphism, because isomorphic cells are the same row of its input. The head of the network adds
path, graph and variance-flow features, averaged over the isomorphism class.

A space has few terms, so several networks with different initial weights are trained together,
stacked in a leading dimension. Each network leaves out a part of the training cells, so the
standard deviation and the calibration need no further training. The functions of this module are
pure: the weights of a network are a dictionary.

Computation along the graph follows Zhang et al., "D-VAE", NeurIPS 2019. Unsupervised pre-training
on the whole space follows Yan et al., "arch2vec", NeurIPS 2020.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple, Self, TypeAlias, TypeGuard

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor
from torch.nn.functional import relu, silu

from surrogate_nas.core import UserError, flag, one_of, whole
from surrogate_nas.space import Cell, Enumerable, Space
from surrogate_nas.space.network import Network, Terms
from surrogate_nas.surrogates.base import (
    LARGER_IS_BETTER,
    Arrays,
    Floats,
    Model,
    Prediction,
    folds,
    surveyed,
    within,
)

Weights: TypeAlias = dict[str, Tensor]

MEMBERS = 10
"""The number of networks in the ensemble."""
PARTS = 5
"""The number of parts into which cells are split; every member leaves out one part."""
_EMBEDDING = 32
_HIDDEN = 64
_RATE = 1e-2
_DECAY = 1e-2
_WARM_UP = 0.15
_PRETRAINING_STEPS = 300
_PRETRAINING_BATCH = 256


class Inputs(NamedTuple):
    """The inputs of the graph neural network for a space, as tensors.

    Attributes:
        terms: The terms of the space.
        sums: For every level of terms, the summands that its convolutions read.
        classes: Counts over the terms for each isomorphism class, shape ``(classes, 3 terms)``.
        features: Standardised features, shape ``(classes, d)``.
        free: The targets of pre-training: standardised `features` and metrics that need no
            training.
    """

    terms: Terms
    sums: tuple[Tensor, ...]
    classes: Tensor
    features: Tensor
    free: Tensor


def standard(matrix: NDArray[Any]) -> NDArray[np.float32]:
    """Standardise columns to zero mean and unit variance. `matrix` has shape ``(n, d)``."""
    spread = matrix.std(axis=0)
    return np.asarray(
        (matrix - matrix.mean(axis=0)) / np.where(spread > 0, spread, 1.0),
        dtype=np.float32,
    )


def has_terms(space: Space) -> TypeGuard[Enumerable]:
    """Return whether the graph neural network supports a space.

    A supported space is enumerable and has isomorphism classes that are sums of terms.
    """
    return (
        isinstance(space, Enumerable)
        and space.terms is not None
        and space.classes is not None
    )


@lru_cache(maxsize=2)
def inputs_of(space: Enumerable) -> Inputs:
    """Return the inputs for a space that `has_terms`. The result is cached per process."""
    terms = space.terms
    classes = space.classes
    assert terms is not None and classes is not None
    features = surveyed(space, "functional")
    free = [
        function(space.choices, Network()) for _, function in space.analytic.values()
    ]
    columns = np.column_stack([features, *free])
    means = np.zeros((len(terms.classes), columns.shape[1]))
    np.add.at(means, classes, columns)
    scaled = torch.as_tensor(standard(means / np.bincount(classes)[:, None]))
    sums = tuple(torch.as_tensor(level.sums) for level in terms.levels)
    return Inputs(
        terms,
        sums,
        torch.as_tensor(terms.classes),
        scaled[:, : features.shape[1]],
        scaled,
    )


def _layer(
    generator: Generator, inputs: int, outputs: int, gain: float = 1.0
) -> Tensor:
    drawn = torch.randn(MEMBERS, inputs, outputs, generator=generator)
    return drawn * gain / math.sqrt(max(inputs, 1))


def _zeros(outputs: int) -> Tensor:
    return torch.zeros(MEMBERS, 1, outputs)


def body(generator: Generator) -> Weights:
    """Return initial weights of the network's body: the layers from terms and counts to hidden
    units.
    """
    weights = {
        "input": _layer(generator, 1, _EMBEDDING),
        "pool/weight": _layer(generator, _EMBEDDING, _EMBEDDING, 0.5),
        "pool/bias": _zeros(_EMBEDDING),
    }
    for size in ("1x1", "3x3"):
        weights |= {
            f"{size}/in/weight": _layer(generator, 2 * _EMBEDDING, _EMBEDDING),
            f"{size}/out/weight": _layer(generator, _EMBEDDING, _EMBEDDING),
            f"{size}/in/bias": _zeros(_EMBEDDING),
            f"{size}/out/bias": _zeros(_EMBEDDING),
        }
    return weights | {
        "read/weight": _layer(generator, 3 * _EMBEDDING, _HIDDEN),
        "read/bias": _zeros(_HIDDEN),
        "hidden/weight": _layer(generator, _HIDDEN, _HIDDEN),
        "hidden/bias": _zeros(_HIDDEN),
    }


def head(features: int, extra: int, generator: Generator) -> Weights:
    """Return initial weights of the network's head, for features, additional columns and the
    output.
    """
    return {
        "features": _layer(generator, features, _HIDDEN),
        "extra": _layer(generator, extra, _HIDDEN),
        "last/weight": _layer(generator, _HIDDEN, 1, 0.3),
        "last/bias": _zeros(1),
    }


def _linear(weights: Weights, name: str, values: Tensor) -> Tensor:
    return values @ weights[f"{name}/weight"] + weights[f"{name}/bias"]


def _embeddings(weights: Weights, inputs: Inputs) -> Tensor:
    def pool(embedding: Tensor) -> Tensor:
        return embedding + silu(_linear(weights, "pool", embedding))

    terms = inputs.terms
    pooled = [weights["input"]]
    while len(pooled) < terms.poolings:
        pooled.append(pool(pooled[-1]))
    embeddings = torch.cat(pooled, 1)
    for level, sums in zip(terms.levels, inputs.sums, strict=True):
        before = embeddings.shape[1]
        read = torch.cat(
            [sums[:, :before] @ embeddings, sums[:, before:] @ embeddings], 2
        )
        for size, part in (
            ("1x1", read[:, : level.ones]),
            ("3x3", read[:, level.ones :]),
        ):
            embeddings = torch.cat(
                [
                    embeddings,
                    _linear(
                        weights,
                        f"{size}/out",
                        silu(_linear(weights, f"{size}/in", part)),
                    ),
                ],
                1,
            )
        for once_less in level.pooled:
            embeddings = torch.cat([embeddings, pool(embeddings[:, once_less])], 1)
    return embeddings


def _hidden(
    weights: Weights,
    inputs: Inputs,
    classes: Tensor,
    columns: Tensor | float,
) -> Tensor:
    embeddings = _embeddings(weights, inputs)
    read = torch.cat(
        [embeddings @ part for part in weights["read/weight"].chunk(3, 1)], 1
    )
    first = silu(inputs.classes[classes] @ read + weights["read/bias"] + columns)
    return first + silu(_linear(weights, "hidden", first))


def values_of(
    weights: Weights,
    inputs: Inputs,
    classes: Tensor,
    extra: Tensor,
) -> Tensor:
    """Return the predictions of every member of the ensemble, shape ``(members, n)``."""
    columns = inputs.features[classes] @ weights["features"] + extra @ weights["extra"]
    return _linear(weights, "last", _hidden(weights, inputs, classes, columns))[..., 0]


def blind_parts(
    n: int, members: int, seed: int
) -> tuple[list[NDArray[np.intp]], Tensor]:
    """Split ``range(n)`` into parts, so that each member of an ensemble leaves out one part.

    Returns:
        The parts, and a tensor of shape ``(members, n)`` that is 1 where a member learns from an
        item and 0 where it does not.
    """
    parts = folds(n, PARTS, seed)
    seen = torch.ones(members, n)
    for member in range(members):
        seen[member, parts[member % len(parts)]] = 0.0
    return parts, seen


def optimise(
    weights: Weights,
    loss: Callable[[Weights, Tensor], Tensor],
    n: int,
    steps: int,
    size: int,
    generator: Generator,
) -> Weights:
    """Minimise a loss over batches of ``range(n)`` by AdamW with a one-cycle learning rate.

    Returns:
        New weights.
    """
    weights = {
        name: weight.clone().requires_grad_() for name, weight in weights.items()
    }
    optimiser = torch.optim.AdamW(
        weights.values(), lr=_RATE, weight_decay=_DECAY, betas=(0.9, 0.98)
    )
    cycle = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, _RATE, total_steps=steps, pct_start=_WARM_UP
    )
    for _ in range(steps):
        batch = torch.randperm(n, generator=generator)[:size]
        optimiser.zero_grad()
        loss(weights, batch).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        cycle.step()
    return {name: weight.detach() for name, weight in weights.items()}


@lru_cache(maxsize=2)
def pretrained(space: Enumerable) -> Weights:
    """Return weights that are pre-trained on the whole space.

    The targets need no training of cells. All models share these weights.
    """
    generator = torch.Generator().manual_seed(0)
    inputs = inputs_of(space)
    free = inputs.free
    weights = body(generator)
    names = set(weights)
    weights |= {
        "free/weight": _layer(generator, _HIDDEN, free.shape[1]),
        "free/bias": _zeros(free.shape[1]),
    }

    def loss(weights: Weights, batch: Tensor) -> Tensor:
        guess = _linear(weights, "free", _hidden(weights, inputs, batch, 0.0))
        return ((guess - free[batch]) ** 2).mean((1, 2)).sum()

    learned = optimise(
        weights, loss, len(free), _PRETRAINING_STEPS, _PRETRAINING_BATCH, generator
    )
    return {name: weight for name, weight in learned.items() if name in names}


# Beyond the outermost knots the line goes on as steeply as it rises on average over this share of
# the cells.
_TAIL = 0.1
_LEAST_SLOPE = 0.05


class Units(NamedTuple):
    """A strictly increasing map from the scores of an ensemble to the target.

    Attributes:
        centre: The mean of each member's scores, shape ``(members, 1)``.
        spread: The standard deviation of each member's scores, shape ``(members, 1)``.
        knots: Standardised scores in ascending order, shape ``(k,)``.
        values: The target values at the knots, in ascending order.
        slopes: The slopes below the first knot and above the last, shape ``(2,)``.
    """

    centre: Floats
    spread: Floats
    knots: Floats
    values: Floats
    slopes: Floats

    @classmethod
    def fit(cls, scores: Floats, unseen: NDArray[np.bool_], target: Floats) -> Self:
        """Fit the map from scores to targets by isotonic regression, interpolated between the
        middles of its steps.

        Without the interpolation, cells within a step of the regression would be tied. The scores
        of every member are standardised over all cells. The regression uses the scores of cells
        that a member did not learn from. The method is that of Barlow et al., "Statistical
        inference under order restrictions", 1972. For classifiers, it was used by Zadrozny and
        Elkan, KDD 2002.

        Args:
            scores: Scores of the training cells, shape ``(members, n)``.
            unseen: Whether a member did not learn from a cell, shape ``(members, n)``.
            target: Targets of the training cells, shape ``(n,)``.
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
            np.add.reduceat(column, blocks[:-1]) / np.diff(blocks)
            for column in (z, wanted)
        )
        apart = np.concatenate([[True], np.diff(knots) > 0])
        knots, values = knots[apart], values[apart]
        gradients = []
        for first, inner in (
            (knots[0], np.quantile(z, _TAIL)),
            (knots[-1], np.quantile(z, 1 - _TAIL)),
        ):
            nearest = knots[np.argsort(np.abs(knots - first))[:2]][-1]
            other = inner if abs(inner - first) > abs(nearest - first) else nearest
            rise = abs(
                np.interp(other, knots, values) - np.interp(first, knots, values)
            )
            gradients.append(max(rise / max(abs(other - first), 1e-9), _LEAST_SLOPE))
        return cls(centre, spread, knots, values, np.array(gradients))

    def of(self, scores: Floats) -> Floats:
        """Convert scores, shape ``(members, n)``, to targets of the same shape."""
        z = (scores - self.centre) / self.spread
        below = np.minimum(z - self.knots[0], 0.0)
        above = np.maximum(z - self.knots[-1], 0.0)
        inside = np.interp(z, self.knots, self.values)
        return np.asarray(
            inside + self.slopes[0] * below + self.slopes[1] * above, dtype=np.float64
        )


# What the predictions are trained to minimise: a squared error, or a loss that sees only the order
# of cells, which leaves origin and scale of the predictions open (`Units`).
#
# Every loss takes what the members predict, shape ``(members, n)``, what is known, shape ``(n,)``,
# and which cells each member may learn from, shape ``(members, n)``; smaller values are better
# cells (a quality comes negated). It gives one number a member, shape ``(members,)``. How such
# losses compare: Ji et al., "Loss functions for predictor-based neural architecture search", ICCV
# 2025.


Loss = Callable[[Tensor, Tensor, Tensor], Tensor]

_MARGIN = 0.5


def squared(guess: Tensor, goal: Tensor, seen: Tensor) -> Tensor:
    """Return the mean squared error of each member over the cells that it learns from."""
    return (seen * (guess - goal) ** 2).sum(1) / seen.sum(1).clamp(min=1)


def _lead(guess: Tensor) -> Tensor:
    """Return the predicted lead of cell i over cell j, shape ``(members, n, n)``."""
    return guess[:, None, :] - guess[:, :, None]


def _ordered(goal: Tensor, seen: Tensor) -> Tensor:
    """Return 1 where a member learns from both cells and the first one is truly better, else 0."""
    return (goal[:, None] < goal[None, :]) * seen[:, :, None] * seen[:, None, :]


def hinge_rank(guess: Tensor, goal: Tensor, seen: Tensor) -> Tensor:
    """Return the pairwise hinge ranking loss: the mean over pairs of cells of ``max(0, margin -
    lead)``.

    The loss was introduced by Herbrich et al., 2000, and applied to cells by Ning et al., "GATES",
    ECCV 2020. The lead is the difference between the predictions of the truly worse and the truly
    better cell.
    """
    ordered = _ordered(goal, seen)
    return (ordered * relu(_MARGIN - _lead(guess))).sum((1, 2)) / ordered.sum(
        (1, 2)
    ).clamp(min=1)


def listmle(guess: Tensor, goal: Tensor, seen: Tensor) -> Tensor:
    """Return the ListMLE loss: the negative log-likelihood per cell of the true order in the
    Plackett–Luce model.

    The Plackett–Luce model picks cells one by one, the best first, each with probability
    ``softmax(-guess)`` among the remaining cells (Xia et al., "Listwise approach to learning to
    rank", ICML 2008). Cells with equal values keep the given order.
    """
    order = torch.argsort(goal, stable=True)
    seen = seen[:, order]
    scores = (-guess[:, order]).masked_fill(seen == 0, -torch.inf)
    left = torch.logcumsumexp(scores.flip(1), 1).flip(1)
    drawn = torch.where(seen > 0, left + guess[:, order], torch.zeros_like(scores))
    return drawn.sum(1) / seen.sum(1).clamp(min=1)


def warp(guess: Tensor, goal: Tensor, seen: Tensor) -> Tensor:
    """Return the weighted approximate-rank pairwise loss (WARP).

    For every cell, let r be the number of worse cells whose predictions are not worse by the
    margin. The mean hinge loss of these r cells is weighted by ``1 + 1/2 + … + 1/r`` (Weston et
    al., "WSABIE", IJCAI 2011). The count r is exact, as in Usunier et al., ICML 2009, instead of
    estimated by sampling. Every cell takes the role of the relevant item once.
    """
    hinges = _ordered(goal, seen) * relu(_MARGIN - _lead(guess))
    wrong = (hinges > 0).sum(2)
    harmonic = torch.cat(
        [torch.zeros(1), (1 / torch.arange(1.0, guess.shape[1])).cumsum(0)]
    ).to(guess)
    weighted = harmonic[wrong] * hinges.sum(2) / wrong.clamp(min=1)
    return weighted.sum(1) / seen.sum(1).clamp(min=1)


LOSSES: Mapping[str, Loss] = {
    "mse": squared,
    "hinge-rank": hinge_rank,
    "listmle": listmle,
    "warp": warp,
}
"""The losses, by their names for ``snas fit --loss``."""


_BATCH = 128
_STEPS_PER_ROOT = 20
_FEWEST_STEPS = 200
# Optimiser steps grow with the root of the number of cells: few cells are soon learned by heart.
_MOST_STEPS = 800


class GraphNetwork(Model):
    """An ensemble of graph neural networks, stacked and trained together.

    Operations that do not affect the output add to costs, so for a cost the head also reads the raw
    operation counts. Isomorphic cells can then have different predictions, as they can have
    different costs.

    Args:
        seed: Seed of the initial weights, the batches and the left-out parts.
        loss: The loss to minimise, a key of `LOSSES`. A ranking loss learns only the order of
            cells. The predictions of such a model are converted to the target's unit by `Units`.
        pretrain: Whether to pre-train the networks on metrics of the whole space that need no
            training, once per process.
        steps: Number of optimiser steps, or None to choose it by the number of training cells.

    Example:
        >>> GraphNetwork("loss", loss="warp").pretrain
        True
    """

    name: ClassVar[str] = "gnn"

    loss: str = one_of("mse", LOSSES, "loss of a surrogate")
    pretrain: bool = flag(True)
    steps: int | None = whole(None, 1)
    _space: Enumerable
    _units: Units | None
    _members: Floats

    @classmethod
    def reads(cls, space: Space) -> bool:
        """Return whether the cells of a space are graphs of shared terms."""
        return has_terms(space)

    def _learn(self, cells: Sequence[Cell], target: Floats) -> None:
        if not has_terms(self._space):
            raise UserError(
                f"The graph network needs a space of graphs (Space.terms); {self._space.name} has"
                " none. Choose another model."
            )
        inputs = inputs_of(self._space)
        generator = torch.Generator().manual_seed(self.seed)
        rows = torch.as_tensor(self._rows(cells))
        classes, extra = self._table()
        weights = body(generator) | head(
            inputs.features.shape[1], extra.shape[1], generator
        )
        if self.pretrain:
            weights |= pretrained(self._space)
        self._parts, seen = blind_parts(len(cells), MEMBERS, self.seed)
        sign = -1.0 if self.quantity in LARGER_IS_BETTER else 1.0
        goal = sign * torch.as_tensor(target, dtype=torch.float32)

        def loss(weights: Weights, batch: Tensor) -> Tensor:
            guess = sign * values_of(
                weights, inputs, classes[rows[batch]], extra[rows[batch]]
            )
            return LOSSES[self.loss](guess, goal[batch], seen[:, batch]).sum()

        steps = self.steps or int(
            np.clip(_STEPS_PER_ROOT * math.sqrt(len(cells)), _FEWEST_STEPS, _MOST_STEPS)
        )
        self._units = None
        self._take(optimise(weights, loss, len(cells), steps, _BATCH, generator))
        if self.loss != "mse":
            self._units = Units.fit(
                self._members[:, rows.numpy()], seen.numpy() == 0, target
            )
            self._members = self._units.of(self._members)
        self._noise = float(
            np.sqrt(((self._members[:, rows.numpy()] - target) ** 2).mean())
        )

    def _take(self, weights: Weights) -> None:
        """Store the weights, and their predictions of the whole space, so that no prediction
        depends on its batch.
        """
        self._weights = weights
        with torch.no_grad():
            scores = (
                values_of(weights, inputs_of(self._space), *self._table())
                .double()
                .numpy()
            )
        self._members = scores if self._units is None else self._units.of(scores)

    def _table(self) -> tuple[Tensor, Tensor]:
        """Return the class and the additional columns of every row.

        Rows are isomorphism classes, or single cells for a cost.
        """
        if self.quantity != "cost":
            n = len(inputs_of(self._space).classes)
            return torch.arange(n), torch.zeros(n, 0)
        counts = surveyed(self._space, "operation_counts")
        return torch.as_tensor(self._space.classes).long(), torch.as_tensor(
            standard(counts)
        )

    def _rows(self, cells: Sequence[Cell]) -> NDArray[np.intp]:
        rows = np.array([cell.index for cell in cells], dtype=np.intp)
        classes = self._space.classes
        return (
            rows
            if self.quantity == "cost" or classes is None
            else classes[rows].astype(np.intp)
        )

    def _predict(self, cells: Sequence[Cell]) -> Prediction:
        members = self._members[:, self._rows(cells)]
        return Prediction(
            members.mean(axis=0), np.sqrt(members.var(axis=0) + self._noise**2)
        )

    def _held_out(self, cells: Sequence[Cell], target: Floats) -> Prediction:
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

    def _arrays(self) -> Arrays:
        units = self._units._asdict() if self._units else {}
        weights = {name: weight.numpy() for name, weight in self._weights.items()}
        named = {f"units/{name}": array for name, array in units.items()}
        return weights | named | {"noise": np.array(self._noise)}

    def _restore(self, arrays: Arrays) -> None:
        self._noise = float(arrays["noise"])
        units = within("units/", arrays)
        self._units = Units(**units) if units else None
        others = arrays.keys() - {"noise", *(f"units/{name}" for name in units)}
        self._take({name: torch.as_tensor(arrays[name]) for name in others})
