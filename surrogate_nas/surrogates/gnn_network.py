"""The network behind `surrogate_nas.surrogates.gnn`: what it reads of a space, its weights, and how
they are learned.

Every member of the ensemble is a slice of the leading dimension. All functions are pure: weights
are a dictionary.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias, TypeGuard

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor
from torch.nn.functional import silu

from surrogate_nas.space import Enumerable, Space
from surrogate_nas.space.network import Network, Terms
from surrogate_nas.surrogates.columns import surveyed

Weights: TypeAlias = dict[str, Tensor]

MEMBERS = 10
"""Networks in the ensemble."""
_EMBEDDING = 32
_HIDDEN = 64
_RATE = 1e-2
_DECAY = 1e-2
_WARM_UP = 0.15
_PRETRAINING_STEPS = 300
_PRETRAINING_BATCH = 256


class Inputs(NamedTuple):
    """What the network reads of the space, as tensors.

    Attributes:
        terms: Of the space.
        sums: For every level of terms, what its convolutions read.
        classes: Counts over the terms, shape ``(classes, 3 terms)``.
        features: Standardised, shape ``(classes, d)``.
        free: Standardised free metrics and `features`: what is learned before any label is seen.
    """

    terms: Terms
    sums: tuple[Tensor, ...]
    classes: Tensor
    features: Tensor
    free: Tensor


def standard(matrix: NDArray[Any]) -> NDArray[np.float32]:
    """Columns of zero mean and unit variance; `matrix` of shape ``(n, d)``."""
    spread = matrix.std(axis=0)
    return np.asarray(
        (matrix - matrix.mean(axis=0)) / np.where(spread > 0, spread, 1.0), dtype=np.float32
    )


def has_terms(space: Space) -> TypeGuard[Enumerable]:
    """Whether the network can read a space: its cells are listed, in functional classes that are
    sums of terms.
    """
    return isinstance(space, Enumerable) and space.terms is not None and space.classes is not None


@lru_cache(maxsize=2)
def inputs_of(space: Enumerable) -> Inputs:
    """What the network reads of a space, once a process; `space`: one that `has_terms`."""
    terms = space.terms
    classes = space.classes
    assert terms is not None and classes is not None
    features = surveyed(space, "functional", ())
    free = [function(space.choices, Network()) for _, function in space.analytic.values()]
    columns = np.column_stack([features, *free])
    means = np.zeros((len(terms.classes), columns.shape[1]))
    np.add.at(means, classes, columns)
    scaled = torch.as_tensor(standard(means / np.bincount(classes)[:, None]))
    sums = tuple(torch.as_tensor(level.sums) for level in terms.levels)
    return Inputs(
        terms, sums, torch.as_tensor(terms.classes), scaled[:, : features.shape[1]], scaled
    )


def _layer(
    generator: Generator,
    inputs: int,
    outputs: int,
    gain: float = 1.0,
) -> Tensor:
    return (
        torch.randn(MEMBERS, inputs, outputs, generator=generator)
        * gain
        / math.sqrt(max(inputs, 1))
    )


def _zeros(outputs: int) -> Tensor:
    return torch.zeros(MEMBERS, 1, outputs)


def body(generator: Generator) -> Weights:
    """Fresh weights of what turns the terms and a row of counts into hidden units."""
    weights = {"input": _layer(generator, 1, _EMBEDDING)}
    weights |= {
        "pool/weight": _layer(generator, _EMBEDDING, _EMBEDDING, 0.5),
        "pool/bias": _zeros(_EMBEDDING),
    }
    for size in ("1x1", "3x3"):
        weights[f"{size}/in/weight"] = _layer(generator, 2 * _EMBEDDING, _EMBEDDING)
        weights[f"{size}/out/weight"] = _layer(generator, _EMBEDDING, _EMBEDDING)
        weights |= {f"{size}/in/bias": _zeros(_EMBEDDING), f"{size}/out/bias": _zeros(_EMBEDDING)}
    weights |= {
        "read/weight": _layer(generator, 3 * _EMBEDDING, _HIDDEN),
        "read/bias": _zeros(_HIDDEN),
    }
    return weights | {
        "hidden/weight": _layer(generator, _HIDDEN, _HIDDEN),
        "hidden/bias": _zeros(_HIDDEN),
    }


def head(features: int, extra: int, generator: Generator) -> Weights:
    """Fresh weights of the features, of further columns, and of the prediction."""
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
        read = torch.cat([sums[:, :before] @ embeddings, sums[:, before:] @ embeddings], 2)
        for size, part in (("1x1", read[:, : level.ones]), ("3x3", read[:, level.ones :])):
            embeddings = torch.cat(
                [
                    embeddings,
                    _linear(weights, f"{size}/out", silu(_linear(weights, f"{size}/in", part))),
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
    read = torch.cat([embeddings @ part for part in weights["read/weight"].chunk(3, 1)], 1)
    first = silu(inputs.classes[classes] @ read + weights["read/bias"] + columns)
    return first + silu(_linear(weights, "hidden", first))


def values_of(
    weights: Weights,
    inputs: Inputs,
    classes: Tensor,
    extra: Tensor,
) -> Tensor:
    """What every member predicts, shape ``(members, n)``.

    Args:
        weights: Of `body` and `head`.
        inputs: Of the space.
        classes: Numbers of functional classes, shape ``(n,)``.
        extra: Further columns of each, shape ``(n, d)``.
    """
    columns = inputs.features[classes] @ weights["features"] + extra @ weights["extra"]
    return _linear(weights, "last", _hidden(weights, inputs, classes, columns))[..., 0]


def optimise(
    weights: Weights,
    loss: Callable[[Weights, Tensor], Tensor],
    n: int,
    steps: int,
    size: int,
    generator: Generator,
) -> Weights:
    """Minimise a loss over batches of ``range(n)`` by Adam with one cycle of the rate; returns new
    weights.
    """
    weights = {name: weight.clone().requires_grad_() for name, weight in weights.items()}
    optimiser = torch.optim.AdamW(
        weights.values(),
        lr=_RATE,
        weight_decay=_DECAY,
        betas=(0.9, 0.98),
    )
    cycle = torch.optim.lr_scheduler.OneCycleLR(
        optimiser,
        _RATE,
        total_steps=steps,
        pct_start=_WARM_UP,
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
    """A body for every member that has learned the free metrics of the whole space, the same for
    every model.

    Args:
        space: One that `has_terms`.
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

    learned = optimise(weights, loss, len(free), _PRETRAINING_STEPS, _PRETRAINING_BATCH, generator)
    return {name: weight for name, weight in learned.items() if name in names}
