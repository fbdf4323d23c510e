"""A graph network for NAS-Bench-201 cells that is equal on functionally equal cells, in plain dense PyTorch.

It passes messages from the input to the output over the graph of terms that all cells share (see `terms`): a
convolution transforms the sum of the embeddings that it reads, pooling moves an embedding, and the output reads its
summands, and all live convolutions of the cell besides. Invariance to relabelling and to functional identity need no
training: two such cells are one row. A head adds path, graph and signal features, averaged over the functional class.
Since the space has only 132 terms, several networks of different initialisation are trained at once, stacked in a
leading dimension; each leaves a part of the cells out, which gives the spread and the calibration for nothing.

Sources: computing along the graph, Zhang et al., "D-VAE", NeurIPS 2019; a pairwise ranking loss, Xu et al., "ReNAS",
CVPR 2021; unsupervised pre-training on the whole space, Yan et al., "arch2vec", NeurIPS 2020.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.errors import UserError
from surrogate_nas.metrics import Quantity
from surrogate_nas.network import Network
from surrogate_nas.space import NB201, Cell, nb201
from surrogate_nas.space.nb201.encodings import functional, operation_counts
from surrogate_nas.space.nb201.sizes import ANALYTIC
from surrogate_nas.space.nb201.terms import terms_of
from surrogate_nas.surrogates.base import Arrays, Prediction, Surrogate, folds
from surrogate_nas.surrogates.target import Floats

if TYPE_CHECKING:
    from torch import Generator, Tensor

    Weights: TypeAlias = dict[str, Tensor]

_MEMBERS = 10
"""Networks in the ensemble."""
_PARTS = 5
"""Every member leaves out one of this many parts of the training cells."""
_EMBEDDING, _HIDDEN = 32, 64
_BATCH, _RATE, _DECAY, _WARM_UP = 128, 1e-2, 1e-2, 0.15
_PRETRAINING_STEPS, _PRETRAINING_BATCH = 300, 256
_STEPS_PER_ROOT, _FEWEST_STEPS, _MOST_STEPS = 20, 200, 800
"""Optimiser steps grow with the root of the number of cells: few cells are soon learned by heart."""
_STEEPNESS = 4.0
"""Of the ranking loss: a quarter of the target's standard deviation apart counts as ordered."""


class _Inputs(NamedTuple):
    """What the network reads of the space, as tensors.

    Attributes:
        sums: For every level of terms, what its convolutions read.
        classes: Counts over the terms, shape ``(classes, 3 terms)``.
        features: Standardised, shape ``(classes, d)``.
        free: Standardised free metrics and `features`: what is learned before any label is seen.
    """

    sums: tuple[Tensor, ...]
    classes: Tensor
    features: Tensor
    free: Tensor


class GraphNetwork(Surrogate):
    """An ensemble of graph networks, stacked and trained together.

    For a cost, which dead operations add to, the head also reads the raw operation counts; the prediction is then not
    equal on functionally equal cells, as the metric is not.
    """

    name: ClassVar[str] = "gnn"

    def __init__(
        self,
        quantity: Quantity = "error",
        *,
        seed: int = 0,
        calibrate: bool = True,
        ranking: float = 0.0,
        pretrain: bool = True,
        steps: int | None = None,
    ) -> None:
        """Store the knobs.

        Args:
            quantity: Of the metric.
            seed: Of the initialisations, batches and left-out parts.
            calibrate: Whether the standard deviation is calibrated.
            ranking: The weight of a pairwise logistic ranking loss beside the squared error.
            pretrain: Whether the networks learn the free metrics of the whole space first, once a process.
            steps: Optimiser steps; None for what suits the number of cells.
        """
        super().__init__(quantity, seed=seed, calibrate=calibrate)
        self.ranking, self.pretrain, self.steps = ranking, pretrain, steps

    def settings(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().settings() | {"ranking": self.ranking, "pretrain": self.pretrain, "steps": self.steps}

    def _learn(self, cells: Sequence[Cell], target: Floats) -> None:
        import torch

        if not isinstance(self._space, NB201):
            raise UserError(f"The graph network reads cells of nb201, not of {self._space.name}.")
        generator = torch.Generator().manual_seed(self.seed)
        rows = torch.as_tensor(self._rows(cells))
        classes, extra = self._table()
        weights = _body(generator) | _head(extra.shape[1], generator)
        if self.pretrain:
            weights |= _pretrained()
        parts = folds(len(cells), _PARTS, self.seed)
        seen = torch.ones(_MEMBERS, len(cells))
        for member in range(_MEMBERS):
            seen[member, parts[member % len(parts)]] = 0.0
        goal = torch.as_tensor(target, dtype=torch.float32)

        def loss(weights: Weights, batch: Tensor) -> Tensor:
            guess = _values(weights, classes[rows[batch]], extra[rows[batch]])
            return _loss(guess, goal[batch], seen[:, batch], self.ranking)

        steps = self.steps or int(np.clip(_STEPS_PER_ROOT * math.sqrt(len(cells)), _FEWEST_STEPS, _MOST_STEPS))
        self._take(_optimise(weights, loss, len(cells), steps, _BATCH, generator))
        self._parts = parts
        self._noise = float(np.sqrt(((self._members[:, rows.numpy()] - target) ** 2).mean()))

    def _take(self, weights: Weights) -> None:
        """Keep the weights, and what they say of the whole space: then no prediction depends on the batch it is in."""
        import torch

        self._weights = weights
        with torch.no_grad():
            self._members = _values(weights, *self._table()).double().numpy()

    def _table(self) -> tuple[Tensor, Tensor]:
        """The class and the further columns of every row: rows are classes, and for a cost the single cells."""
        import torch

        if self.quantity != "cost":
            return torch.arange(len(_inputs().classes)), torch.zeros(len(_inputs().classes), 0)
        counts = operation_counts(nb201().choices)
        return torch.as_tensor(nb201().classes).long(), torch.as_tensor(_standard(counts))

    def _rows(self, cells: Sequence[Cell]) -> NDArray[np.intp]:
        indices = np.array([cell.index for cell in cells], dtype=np.intp)
        return indices if self.quantity == "cost" else nb201().classes[indices].astype(np.intp)

    def _foresee(self, cells: Sequence[Cell]) -> Prediction:
        members = self._members[:, self._rows(cells)]
        return Prediction(members.mean(axis=0), np.sqrt(members.var(axis=0) + self._noise**2))

    def _held_out(self, cells: Sequence[Cell], target: Floats) -> Prediction:  # noqa: ARG002
        members = self._members[:, self._rows(cells)]
        mean, unseen = np.empty(len(cells)), np.empty(len(cells))
        for part, left_out in enumerate(self._parts):
            without = members[part :: len(self._parts), left_out]
            mean[left_out], unseen[left_out] = without.mean(axis=0), without.var(axis=0, ddof=1)
        variance = members.var(axis=0)
        spread = variance * unseen.mean() / variance.mean()
        fewer = unseen.mean() * (len(self._parts) - 1) / _MEMBERS
        return Prediction(mean, np.sqrt(spread + fewer + self._noise**2))

    def _arrays(self) -> dict[str, NDArray[Any]]:
        return {name: weight.numpy() for name, weight in self._weights.items()} | {"noise": np.array(self._noise)}

    def _restore(self, arrays: Arrays) -> None:
        import torch

        self._noise = float(arrays["noise"])
        self._take({name: torch.as_tensor(array) for name, array in arrays.items() if name != "noise"})


def _standard(matrix: NDArray[Any]) -> NDArray[np.float32]:
    spread = matrix.std(axis=0)
    return np.asarray((matrix - matrix.mean(axis=0)) / np.where(spread > 0, spread, 1.0), dtype=np.float32)


@lru_cache(maxsize=1)
def _inputs() -> _Inputs:
    import torch

    space, terms = nb201(), terms_of(nb201())
    classes, choices = space.classes, space.choices
    free = [function(choices, Network()) for _, function in ANALYTIC.values()]
    columns = np.column_stack([functional(choices), *free])
    means = np.zeros((len(terms.classes), columns.shape[1]))
    np.add.at(means, classes, columns)
    scaled = torch.as_tensor(_standard(means / np.bincount(classes)[:, None]))
    sums = tuple(torch.as_tensor(level.sums) for level in terms.levels)
    return _Inputs(sums, torch.as_tensor(terms.classes), scaled[:, : -len(free)], scaled)


def _layer(generator: Generator, inputs: int, outputs: int, gain: float = 1.0) -> Tensor:
    import torch

    return torch.randn(_MEMBERS, inputs, outputs, generator=generator) * gain / math.sqrt(max(inputs, 1))


def _zeros(outputs: int) -> Tensor:
    import torch

    return torch.zeros(_MEMBERS, 1, outputs)


def _body(generator: Generator) -> Weights:
    """Fresh weights of what turns the terms and a row of counts into hidden units."""
    weights = {"input": _layer(generator, 1, _EMBEDDING)}
    weights |= {"pool/weight": _layer(generator, _EMBEDDING, _EMBEDDING, 0.5), "pool/bias": _zeros(_EMBEDDING)}
    for size in ("1x1", "3x3"):
        weights[f"{size}/in/weight"] = _layer(generator, 2 * _EMBEDDING, _EMBEDDING)
        weights[f"{size}/out/weight"] = _layer(generator, _EMBEDDING, _EMBEDDING)
        weights |= {f"{size}/in/bias": _zeros(_EMBEDDING), f"{size}/out/bias": _zeros(_EMBEDDING)}
    weights |= {"read/weight": _layer(generator, 3 * _EMBEDDING, _HIDDEN), "read/bias": _zeros(_HIDDEN)}
    return weights | {"hidden/weight": _layer(generator, _HIDDEN, _HIDDEN), "hidden/bias": _zeros(_HIDDEN)}


def _head(extra: int, generator: Generator) -> Weights:
    """Fresh weights of the features, of `extra` further columns, and of the prediction."""
    features = _inputs().features.shape[1]
    return {
        "features": _layer(generator, features, _HIDDEN),
        "extra": _layer(generator, extra, _HIDDEN),
        "last/weight": _layer(generator, _HIDDEN, 1, 0.3),
        "last/bias": _zeros(1),
    }


def _linear(weights: Weights, name: str, values: Tensor) -> Tensor:
    return values @ weights[f"{name}/weight"] + weights[f"{name}/bias"]


def _embeddings(weights: Weights) -> Tensor:
    """Every term's embedding, from the input on, shape ``(members, terms, embedding)``."""
    import torch
    from torch.nn.functional import silu

    def pool(embedding: Tensor) -> Tensor:
        return embedding + silu(_linear(weights, "pool", embedding))

    terms = terms_of(nb201())
    inputs = [weights["input"]]
    while len(inputs) < terms.poolings:
        inputs.append(pool(inputs[-1]))
    found = torch.cat(inputs, 1)
    for level, sums in zip(terms.levels, _inputs().sums, strict=True):
        before = found.shape[1]
        read = torch.cat([sums[:, :before] @ found, sums[:, before:] @ found], 2)
        for size, part in (("1x1", read[:, : level.ones]), ("3x3", read[:, level.ones :])):
            found = torch.cat([found, _linear(weights, f"{size}/out", silu(_linear(weights, f"{size}/in", part)))], 1)
        for once_less in level.pooled:
            found = torch.cat([found, pool(found[:, once_less])], 1)
    return found


def _hidden(weights: Weights, classes: Tensor, columns: Tensor | float) -> Tensor:
    """The hidden units of some classes, given what the columns add, shape ``(members, n, hidden)``."""
    import torch
    from torch.nn.functional import silu

    embeddings = _embeddings(weights)
    read = torch.cat([embeddings @ part for part in weights["read/weight"].chunk(3, 1)], 1)
    first = silu(_inputs().classes[classes] @ read + weights["read/bias"] + columns)
    return first + silu(_linear(weights, "hidden", first))


def _values(weights: Weights, classes: Tensor, extra: Tensor) -> Tensor:
    """What every member predicts, shape ``(members, n)``."""
    columns = _inputs().features[classes] @ weights["features"] + extra @ weights["extra"]
    return _linear(weights, "last", _hidden(weights, classes, columns))[..., 0]


def _loss(guess: Tensor, goal: Tensor, seen: Tensor, ranking: float) -> Tensor:
    """Squared error over the cells that each member sees, and the ranking loss over their pairs."""
    from torch.nn.functional import softplus

    loss = (seen * (guess - goal) ** 2).sum(1) / seen.sum(1).clamp(min=1)
    if ranking:
        ordered = (goal[:, None] > goal[None, :]) * seen[:, :, None] * seen[:, None, :]
        wrong = softplus(_STEEPNESS * (guess[:, None, :] - guess[:, :, None])) / _STEEPNESS
        loss = loss + ranking * (ordered * wrong).sum((1, 2)) / ordered.sum((1, 2)).clamp(min=1)
    return loss.sum()


def _optimise(
    weights: Weights, loss: Callable[[Weights, Tensor], Tensor], n: int, steps: int, size: int, generator: Generator
) -> Weights:
    """Minimise a loss over batches of ``range(n)`` by Adam with one cycle of the rate; returns new weights."""
    import torch

    weights = {name: weight.clone().requires_grad_() for name, weight in weights.items()}
    optimiser = torch.optim.AdamW(weights.values(), lr=_RATE, weight_decay=_DECAY, betas=(0.9, 0.98))
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimiser, _RATE, total_steps=steps, pct_start=_WARM_UP)
    for _ in range(steps):
        batch = torch.randperm(n, generator=generator)[:size]
        optimiser.zero_grad()
        loss(weights, batch).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        cycle.step()
    return {name: weight.detach() for name, weight in weights.items()}


@lru_cache(maxsize=1)
def _pretrained() -> Weights:
    """A body for every member that has learned the free metrics of the whole space, the same for every model."""
    import torch

    generator = torch.Generator().manual_seed(0)
    free = _inputs().free
    weights = _body(generator)
    body = set(weights)
    weights |= {"free/weight": _layer(generator, _HIDDEN, free.shape[1]), "free/bias": _zeros(free.shape[1])}

    def loss(weights: Weights, batch: Tensor) -> Tensor:
        guess = _linear(weights, "free", _hidden(weights, batch, 0.0))
        return ((guess - free[batch]) ** 2).mean((1, 2)).sum()

    learned = _optimise(weights, loss, len(free), _PRETRAINING_STEPS, _PRETRAINING_BATCH, generator)
    return {name: weight for name, weight in learned.items() if name in body}
