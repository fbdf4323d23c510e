"""Losses of sequences that are shorter than the positions that answer: CTC, and the cross-entropy of one alignment.

Outputs have shape ``(K, batch, classes, positions)``, targets ``(batch, longest)``: class numbers from 1, padded with
0 behind; class 0 is the blank. Both are in nats per position, so that knowing nothing costs at most ``log(classes)``.
A target that cannot be written in so few positions (a blank must part two equal neighbours) has the worst recorded
value and no gradient.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from surrogate_nas.training.losses.base import Loss
from surrogate_nas.training.losses.classes import cross_entropy

if TYPE_CHECKING:
    from torch import Tensor

BLANK = 0


def ctc(outputs: Tensor, targets: Tensor) -> Tensor:
    """The negative log-likelihood of all alignments together, nats per position, shape ``(K, batch)``.

    Args:
        outputs: Scores, see the module.
        targets: See the module.
    """
    import torch
    import torch.nn.functional as F

    count, batch, classes, positions = outputs.shape
    logs = outputs.flatten(0, 1).permute(2, 0, 1).log_softmax(2)
    lengths = (targets != BLANK).sum(1).repeat(count)
    everywhere = torch.full_like(lengths, positions)
    nats = F.ctc_loss(
        logs, targets.repeat(count, 1), everywhere, lengths, blank=BLANK, reduction="none", zero_infinity=True
    )
    return _worst_where(nats.view(count, batch) / positions, needed(targets) > positions, classes)


def aligned_cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    """The negative log-likelihood of one alignment, see `aligned`, nats per position, shape ``(K, batch)``.

    Args:
        outputs: Scores, see the module.
        targets: See the module.
    """
    _, _, classes, positions = outputs.shape
    each = cross_entropy(outputs, aligned(targets, positions))
    return _worst_where(each, needed(targets) > positions, classes)


def aligned(targets: Tensor, positions: int) -> Tensor:
    """Targets written from the left, a blank between equal neighbours and blanks behind, shape ``(batch, positions)``.

    CTC's greedy decoding gives the target back; what does not fit is cut off.

    Args:
        targets: See the module.
        positions: How many there are.
    """
    room = max(positions, 2 * targets.shape[1])
    places = (targets != BLANK).cumsum(1) + _doubled(targets).cumsum(1) - 1
    written = targets.new_zeros(len(targets), room).scatter_add(1, places.clamp(min=0), targets)
    return written[:, :positions]


def needed(targets: Tensor) -> Tensor:
    """The positions that a target needs at least, shape ``(batch,)``.

    Args:
        targets: See the module.
    """
    return (targets != BLANK).sum(1) + _doubled(targets).sum(1)


def _doubled(targets: Tensor) -> Tensor:
    """Where a character follows its equal, shape ``(batch, longest)``."""
    doubled = targets != BLANK
    doubled[:, 1:] &= targets[:, 1:] == targets[:, :-1]
    doubled[:, :1] = False
    return doubled


def _worst_where(each: Tensor, hopeless: Tensor, classes: int) -> Tensor:
    return each.masked_fill(hopeless, 10 * math.log(classes))


_FITS = ("sequence",)
FAMILY = (
    Loss(
        "ctc", "likelihood of a text over all its alignments, per position (Graves et al., ICML 2006)", "nats",
        _FITS, ctc, chance=math.log, comparable="CTC",
    ),
    Loss(
        "aligned_cross_entropy", "likelihood of a text in one alignment, written from the left, per position", "nats",
        _FITS, aligned_cross_entropy, chance=math.log, comparable="aligned cross-entropy",
    ),
)  # fmt: skip
"""The losses of this file."""
