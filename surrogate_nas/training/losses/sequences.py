"""Losses of sequences that are shorter than the number of output positions: CTC, and the
cross-entropy of one fixed alignment.

Outputs have the shape ``(K, batch, classes, positions)``. Targets have the shape
``(batch, longest)`` and contain class numbers from 1, padded with 0 at the end. Class 0 is the
blank of CTC. Losses of sequences are in nats per position, so the loss at chance level is at most
``log(classes)``. A target may need more positions than there are, since a blank must separate two
equal neighbours. The loss of a target that is too long is the worst recorded value, and its
gradient is 0.
"""

import math

import numpy as np

from surrogate_nas.training.losses import Loss, softened
from surrogate_nas.training.losses.classes import cross_entropy
from surrogate_nas.training.machine import Array, exp, log

BLANK = 0


def _aligned_cross_entropy(outputs: Array, targets: Array) -> tuple[Array, Array]:
    """Return the negative log-likelihood of one alignment, see `aligned`, in nats per position."""
    positions = outputs.shape[3]
    losses, gradient = cross_entropy(outputs, aligned(targets, positions))
    _forget(losses, gradient, needed(targets) > positions)
    return losses, gradient


def aligned(targets: Array, positions: int) -> Array:
    """Return each target as one class per position: from the left, with a blank between equal
    neighbours and blanks at the end, shape ``(batch, positions)``.

    CTC's greedy decoding of the result returns the target again. Symbols beyond the last position
    are cut off.
    """
    is_label = targets != BLANK
    columns = np.cumsum(is_label, 1) + np.cumsum(_doubled(targets), 1) - 1
    written = np.zeros((len(targets), max(positions, 2 * targets.shape[1])), int)
    examples, _ = np.nonzero(is_label)
    written[examples, columns[is_label]] = targets[is_label]
    return written[:, :positions]


def needed(targets: Array) -> Array:
    """Return the minimum number of output positions that each target needs, shape ``(batch,)``."""
    return np.asarray((targets != BLANK).sum(1) + _doubled(targets).sum(1))


def _ctc(outputs: Array, targets: Array) -> tuple[Array, Array]:
    """Return the negative log-likelihood of all alignments together, in nats per position.

    Backward paths are the forward paths of the reversed text in reversed time. Emissions are
    divided by the largest emission of the text at each position, to keep products in the range of
    float64; if that fails, everything is computed again with logarithms.
    """
    count, batch, _, positions = outputs.shape
    longest = targets.shape[1]
    examples = count * batch
    lengths = (targets != BLANK).sum(1)
    doubled = _doubled(targets)
    # Shape of labels: (labels, 1, batch).
    labels = np.concatenate([np.full((batch, 1), BLANK), targets], 1).T[:, None]
    gradient, total, top = softened(outputs)
    networks = np.arange(count)[:, None]
    columns = np.arange(batch)
    times = np.arange(positions)[:, None, None, None]
    norms = (log(total) + top).transpose(3, 2, 0, 1)  # (positions, 1, K, batch)
    logs = outputs[networks, columns, labels, times].astype(float) - norms
    logs = logs.reshape(positions, 1 + longest, examples)
    greatest = logs.max(1, keepdims=True)
    logs -= greatest
    skips = (targets[:, 1:] != BLANK) & ~doubled[:, 1:]
    skips = np.tile(skips, (count, 1)).T
    ends = np.tile(lengths, count)
    hopeless = lengths + doubled.sum(1) > positions
    shares, nats = _shares(exp(logs), skips, ends, np.add, np.multiply, 0.0, 1.0)
    nats = log(nats)
    if not (
        np.isfinite(nats) & (nats > 1.1 * positions - 650) | np.tile(hopeless, count)
    ).all():
        shares, nats = _shares(logs, skips, ends, np.logaddexp, np.add, -np.inf, 0.0)
        shares = exp(shares)
    losses = (
        -(nats + greatest[:, 0].sum(0)).reshape(count, batch).astype(outputs.dtype)
        / positions
    )
    gradient /= total
    # What a label's states hold at every position, off the probabilities.
    by_label = shares.reshape(positions, 1 + longest, count, batch).astype(
        outputs.dtype
    )
    steps = [step // gradient.itemsize for step in gradient.strides]
    where = (
        networks * steps[0] + columns * steps[1] + labels * steps[2] + times * steps[3]
    )
    np.subtract.at(gradient.ravel("K"), where.ravel(), by_label.ravel())
    gradient *= 1 / (positions * batch)
    _forget(losses, gradient, hopeless)
    return losses, gradient


def _shares(
    emitted: Array,
    skips: Array,
    ends: Array,
    plus: np.ufunc,
    times: np.ufunc,
    nothing: float,
    one: float,
) -> tuple[Array, Array]:
    """Return the share of paths that are at each label at each position, and the weight of all
    paths, shape ``(n,)``.

    Args:
        emitted: The weights of the blank and of a text's labels, shape
            ``(positions, 1 + labels, n)``.
        skips: Whether a label can follow the previous one without a blank, shape
            ``(labels - 1, n)``.
        ends: The lengths of the texts, shape ``(n,)``.
        plus: The sum of weights, or of their logarithms.
        times: The product of weights, or of their logarithms.
        nothing: The weight of an impossible event.
        one: The weight of a certain event.
    """
    positions, labels, n = emitted.shape
    states = 2 * labels - 1  # a blank before, between and behind the labels
    weights = np.empty((positions, states, 2 * n))
    weights[:, 0::2, :n] = emitted[:, :1]
    weights[:, 1::2, :n] = emitted[:, 1:]
    weights[:, :, n:] = weights[::-1, ::-1, :n]
    allowed = np.full((states, 2 * n), nothing)
    allowed[3::2, :n][skips] = one
    allowed[2:, n:] = allowed[2:, :n][::-1]
    paths = np.empty_like(weights)
    start = paths[0]
    texts = np.arange(n)
    start[:] = nothing
    start[:2, :n] = one
    start[states - 1 - 2 * ends, n + texts] = one
    start[np.where(ends > 0, states - 2 * ends, states - 1), n + texts] = one
    padded = np.full((states + 2, 2 * n), nothing)
    now = padded[2:]
    skipped = np.empty((states, 2 * n))
    for before, weight, after in zip(paths[:-1], weights[:-1], paths[1:], strict=True):
        times(before, weight, out=now)
        plus(now, padded[1:-1], out=after)
        times(padded[:-2], allowed, out=skipped)
        plus(after, skipped, out=after)
    both = times(paths[:, :, :n], weights[:, :, :n])
    times(both, paths[::-1, ::-1, n:], out=both)
    together = plus.reduce(both, axis=1, keepdims=True)
    inverse = np.subtract if plus is np.logaddexp else np.divide
    inverse(both, together, out=both)
    shares = np.empty_like(emitted)
    shares[:, 0] = plus.reduce(both[:, 0::2], axis=1)
    shares[:, 1:] = both[:, 1::2]
    return shares, together[0, 0]


def _doubled(targets: Array) -> Array:
    """Return where a character follows an equal one, shape ``(batch, longest)``."""
    doubled = np.zeros(targets.shape, bool)
    doubled[:, 1:] = (targets[:, 1:] != BLANK) & (targets[:, 1:] == targets[:, :-1])
    return doubled


def _forget(losses: Array, gradient: Array, hopeless: Array) -> None:
    """Set the worst recorded value and no gradient for targets that do not fit."""
    losses[:, hopeless] = 10 * math.log(gradient.shape[2])
    gradient[:, hopeless] = 0


FAMILY = (
    Loss(
        "ctc",
        "likelihood of a text over all its alignments, per position (Graves et al., ICML 2006)",
        "nats",
        ("sequence",),
        chance=math.log,
        comparable="CTC",
        gradient=_ctc,
    ),
    Loss(
        "aligned_cross_entropy",
        "likelihood of a text in one alignment, written from the left, per position",
        "nats",
        ("sequence",),
        chance=math.log,
        comparable="aligned cross-entropy",
        gradient=_aligned_cross_entropy,
    ),
)
