"""Overtuning: whether what a search picked last is worse than what it had picked before.

Schneider, Bischl & Feurer, "Overtuning in Hyperparameter Optimization", AutoML 2025. A search that
sees one noisy number of each cell changes its pick to whatever looks better, and may so leave a
better pick. Departures: the true value of a pick is its score by the mean over training seeds, not
a test error; the first pick, which the relative loss is measured from, is the first cell of the
run, as there is no default.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from surrogate_nas.statistics.summaries import Values


class Overtuning(NamedTuple):
    """How much one run lost by going on.

    Attributes:
        loss: The true score of its last pick minus that of its best, in the unit of the score, at
            least 0.
        relative: `loss` as a share of what it had gained from its first pick to its best: 1 where
            it is back where it began; None where the first was the best.
    """

    loss: float
    relative: float | None


def overtuning(picks: Sequence[float] | Values) -> Overtuning:
    """The overtuning of a run at its end.

    Args:
        picks: The true scores of what it had picked by what it saw, in order, repeated or not;
            lower is better.

    Example:
        >>> overtuning([0.25, 0.0, 0.125])  # half of what was gained is lost again
        Overtuning(loss=0.125, relative=0.5)
        >>> overtuning([0.5, 0.25])
        Overtuning(loss=0.0, relative=0.0)
    """
    best = min(picks)
    loss = float(picks[-1] - best)
    gained = float(picks[0] - best)
    return Overtuning(loss, loss / gained if gained > 0 else None)


@dataclass(frozen=True)
class OvertuningSummary:
    """The overtuning of several runs.

    Attributes:
        share: The share of runs whose last pick is worse than an earlier one.
        mean_loss: The mean loss over all runs, those without any included, in the unit of the
            score.
        median_relative: The median relative loss of the runs that lost something and had gained
            something; None where none did.
        worse_than_first: The share of runs whose last pick is worse than their first.
    """

    share: float
    mean_loss: float
    median_relative: float | None
    worse_than_first: float

    def to_json(self) -> dict[str, Any]:
        """The summary as a JSON object."""
        return asdict(self)


def summarise_overtuning(runs: Sequence[Values], rounding: float = 0.0) -> OvertuningSummary | None:
    """The overtuning of several runs; None where there is none.

    Args:
        runs: Of each the true scores of its picks, in order.
        rounding: Up to which difference two scores are equal.

    Example:
        >>> summarise_overtuning([np.array([4.0, 2.0]), np.array([4.0, 2.0, 3.0])]).mean_loss
        0.5
    """
    if not runs:
        return None
    each = [overtuning(picks) for picks in runs]
    lost = [one.loss > rounding for one in each]
    relative = [
        one.relative
        for one, is_lost in zip(each, lost, strict=True)
        if is_lost and one.relative is not None
    ]
    behind = [picks[-1] - picks[0] > rounding for picks in runs]
    return OvertuningSummary(
        share=float(np.mean(lost)),
        mean_loss=float(np.mean([one.loss for one in each])),
        median_relative=float(np.median(relative)) if relative else None,
        worse_than_first=float(np.mean(behind)),
    )
