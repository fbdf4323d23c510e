"""What a network's predictions are trained to minimise: a squared error, or a loss that sees only
the order of cells.

Every loss takes what members of an ensemble predict, shape ``(members, n)``, what is known, shape
``(n,)``, and which cells each member may learn from, shape ``(members, n)``; smaller values are
better cells (a quality comes negated). It gives one number a member, shape ``(members,)``. A
ranking loss leaves origin and scale of the predictions open: they are no values until they are
brought to the target's unit (`surrogate_nas.surrogates.gnn`).

How such losses compare as the training of predictors: Ji et al., "Loss functions for
predictor-based neural architecture search", ICCV 2025.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn.functional import relu

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]

_MARGIN = 0.5


def squared(guess: Tensor, goal: Tensor, seen: Tensor) -> Tensor:
    """Mean squared error."""
    return (seen * (guess - goal) ** 2).sum(1) / seen.sum(1).clamp(min=1)


def _lead(guess: Tensor) -> Tensor:
    """By how much the first of every two cells is predicted better than the second, shape
    ``(members, n, n)``.
    """
    return guess[:, None, :] - guess[:, :, None]


def _ordered(goal: Tensor, seen: Tensor) -> Tensor:
    """1 where a member has seen both of two cells and the first is truly better, shape
    ``(members, n, n)``.
    """
    return (goal[:, None] < goal[None, :]) * seen[:, :, None] * seen[:, None, :]


def hinge_rank(guess: Tensor, goal: Tensor, seen: Tensor) -> Tensor:
    """Mean over pairs of ``max(0, margin - lead)``: Herbrich et al., 2000; on cells Ning et al.,
    "GATES", ECCV 2020.
    """
    ordered = _ordered(goal, seen)
    return (ordered * relu(_MARGIN - _lead(guess))).sum((1, 2)) / ordered.sum((1, 2)).clamp(
        min=1
    )


def listmle(guess: Tensor, goal: Tensor, seen: Tensor) -> Tensor:
    """The negative log-likelihood of the true order, best first, in Plackett and Luce's model, a
    cell.

    Cells are drawn one by one, each with probability ``softmax(-guess)`` among those that are left:
    Xia et al., "Listwise approach to learning to rank", ICML 2008. Equal cells count in the order
    given.
    """
    order = torch.argsort(goal, stable=True)
    seen = seen[:, order]
    scores = (-guess[:, order]).masked_fill(seen == 0, -torch.inf)
    left = torch.logcumsumexp(scores.flip(1), 1).flip(1)
    drawn = torch.where(seen > 0, left + guess[:, order], torch.zeros_like(scores))
    return drawn.sum(1) / seen.sum(1).clamp(min=1)


def warp(guess: Tensor, goal: Tensor, seen: Tensor) -> Tensor:
    """Hinges weighted so that the first worse cell before a better one costs most.

    For every cell the worse ones that do not trail it by the margin are counted, r; their mean
    hinge is weighted by ``1 + 1/2 + … + 1/r``: Weston et al., "WSABIE", IJCAI 2011, with the exact
    count in place of their estimate by sampling, which is Usunier et al., ICML 2009. Theirs has one
    good item; here every cell is it once.
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
"""By the name that ``snas fit --loss`` takes."""
