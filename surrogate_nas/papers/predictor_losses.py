"""Does the loss of a predictor matter? The graph network trained with ranking losses, beside the published effects.

Ji et al., "Loss functions for predictor-based neural architecture search", ICCV 2025, find that ranking losses find
better cells (N@10), more of the best ones (precision) and a better order (τ) than the squared error does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.papers.predictor_fits import Fit, Score
from surrogate_nas.papers.rows import Row
from surrogate_nas.study.comparison.statistics import holm, signed_rank
from surrogate_nas.surrogates.losses import LOSSES

DATA_SET, MODEL, SQUARED = "CIFAR-10", "gnn", "mse"
SIZES = (156, 469)
_RANKING = tuple(name for name in LOSSES if name != SQUARED)
EFFECTS: Mapping[str, tuple[str, int]] = {
    "rank_top": ("N@10", -1), "precision_half_percent": ("P@.5 %", 1), "kendall": ("τ", 1),
}  # fmt: skip
"""What the paper finds ranking losses to improve: its name, and whether larger is better."""
_PUBLISHED = {
    SQUARED: (146.6, 0.086, 0.62), "hinge-rank": (8.4, 0.293, 0.67), "warp": (3.8, 0.387, 0.65),
}  # fmt: skip
"""Of PINAT, by the effects in their order."""
_ALPHA = 0.05


def loss_fits(seeds: Sequence[int], sizes: Sequence[int] = SIZES) -> list[Fit]:
    """The fits with every ranking loss; those with the squared error are the model's own.

    Args:
        seeds: Of splits and models.
        sizes: Numbers of training cells.
    """
    return [Fit(DATA_SET, seed, n, MODEL, loss) for seed in seeds for n in sizes for loss in _RANKING]


class Difference(NamedTuple):
    """A ranking loss against the squared error, over the same seeds.

    Attributes:
        loss: The ranking loss.
        n: Training cells.
        measure: A key of `EFFECTS`.
        gain: The mean difference, positive where the ranking loss is better.
        p: Wilcoxon's signed-rank test, corrected by Holm over all differences.
    """

    loss: str
    n: int
    measure: str
    gain: float
    p: float


def differences(scores: Mapping[Fit, Score]) -> list[Difference]:
    """Compare every ranking loss with the squared error, by every published effect.

    Args:
        scores: Of fits, those of other models and data sets among them.
    """
    found: list[Difference] = []
    for n in sorted({fit.n for fit in scores if fit.loss}):
        for loss in _RANKING:
            for measure, (_, better) in EFFECTS.items():
                gains = better * (_column(scores, n, loss, measure) - _column(scores, n, "", measure))
                found.append(Difference(loss, n, measure, float(gains.mean()), signed_rank(gains)[0]))
    return [one._replace(p=float(p)) for one, p in zip(found, holm([one.p for one in found]), strict=True)]


def _column(scores: Mapping[Fit, Score], n: int, loss: str, measure: str) -> NDArray[np.float64]:
    seeds = sorted(fit.seed for fit in scores if fit.loss == _RANKING[0] and fit.n == n)
    return np.array([getattr(scores[Fit(DATA_SET, seed, n, MODEL, loss)], measure) for seed in seeds])


def published_rows() -> Iterator[Row]:
    """What the paper prints of another predictor, for how many training cells we have not confirmed."""
    for loss, values in _PUBLISHED.items():
        for measure, value in zip(EFFECTS, values, strict=True):
            yield Row(f"PINAT, {loss}", DATA_SET, measure, published=value, verdict="published", mark="?")


def findings(scores: Mapping[Fit, Score]) -> list[str]:
    """In words, a line an effect: where it is seen, where its contrary is, and what it comes to.

    Args:
        scores: As `differences` takes them.
    """
    lines = []
    made = differences(scores)
    for measure, (name, _) in EFFECTS.items():
        here = [one for one in made if one.measure == measure]
        sure = [one for one in here if one.p < _ALPHA]
        seen, contrary = ([_named(one) for one in sure if sign * one.gain > 0] for sign in (1, -1))
        said = f"seen with {', '.join(seen)}" if seen else "not seen"
        said += f"; the contrary with {', '.join(contrary)}" if contrary else ""
        said += "; all are equal" if not any(one.gain for one in here) else ""
        gains = ", ".join(f"{_named(one)} {one.gain:+.3f} (p = {one.p:.2g})" for one in here)
        lines.append(f"Published: ranking losses improve {name}. Here {said}. Gains over the squared error: {gains}.")
    return lines


def _named(one: Difference) -> str:
    return f"{one.loss}@{one.n}"
