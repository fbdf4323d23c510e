"""The statistics of a comparison: what a summary, an interval, a test and a curve are, in one place.

Agarwal et al., "Deep Reinforcement Learning at the Edge of the Statistical Precipice", NeurIPS 2021 (interquartile
mean, bootstrap intervals); Demšar, "Statistical Comparisons of Classifiers over Multiple Data Sets", JMLR 2006
(paired tests with Holm's correction). Lower is better throughout.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from surrogate_nas.study.store import Run

Values = NDArray[np.float64]
"""One number a run, or one a checkpoint."""

_RESAMPLES = 10_000


@dataclass(frozen=True)
class Summary:
    """A sample in a few numbers.

    Attributes:
        mean: The arithmetic mean.
        std: The sample standard deviation (n - 1); 0 for one value.
        iqm: The interquartile mean.
        ci95: The bootstrap 95 % interval of the mean (percentile, 10,000 resamples).
    """

    mean: float
    std: float
    iqm: float
    ci95: tuple[float, float]

    def to_json(self) -> dict[str, Any]:
        """The summary as a JSON object."""
        return asdict(self) | {"ci95": list(self.ci95)}

    @staticmethod
    def nothing() -> dict[str, None]:
        """What stands in its place in JSON where there is no sample."""
        return dict.fromkeys(("mean", "std", "iqm", "ci95"))


def summarise(values: Sequence[float] | Values, *, seed: int = 0) -> Summary:
    """Summarise a sample; the same seed gives the same interval.

    Args:
        values: Shape ``(n,)``, n at least 1.
        seed: Seeds the bootstrap.
    """
    sample = np.asarray(values, dtype=np.float64)
    spread = float(sample.std(ddof=1)) if len(sample) > 1 else 0.0
    low, high = interval(sample[:, None], seed=seed)
    return Summary(float(sample.mean()), spread, float(stats.trim_mean(sample, 0.25)), (float(low[0]), float(high[0])))


def interval(samples: Values, *, seed: int = 0) -> tuple[Values, Values]:
    """The bootstrap 95 % interval of the mean of every column.

    Args:
        samples: Shape ``(n, m)``: n runs at m points.
        seed: Seeds the bootstrap.

    Returns:
        Lower and upper ends, shape ``(m,)`` each.
    """
    rng = np.random.default_rng(seed)
    n = len(samples)
    weights = rng.multinomial(n, np.full(n, 1 / n), size=_RESAMPLES) / n
    means = weights @ samples
    low, high = np.percentile(means, [2.5, 97.5], axis=0)
    return low, high


@dataclass(frozen=True)
class PairedTest:
    """Two strategies over the same runs.

    Attributes:
        first: The one strategy.
        second: The other.
        wins: Runs in which the first is better.
        ties: Runs in which they are equal.
        losses: Runs in which the second is better.
        effect: Matched-pairs rank-biserial correlation, from -1 (the second always better) to 1 (the first).
        p: Wilcoxon's signed-rank test, two-sided; 1 where all runs tie.
        p_holm: `p` after Holm's correction over all pairs.
    """

    first: str
    second: str
    wins: int
    ties: int
    losses: int
    effect: float
    p: float
    p_holm: float


def paired_tests(scores: Mapping[str, Values]) -> list[PairedTest]:
    """Compare every pair of strategies on the final scores of the same runs.

    Args:
        scores: Per strategy the final score of each run, shape ``(runs,)``, runs in the same order.
    """
    pairs = list(itertools.combinations(scores, 2))
    raw = [signed_rank(scores[b] - scores[a]) for a, b in pairs]
    corrected = holm([p for p, _ in raw])
    return [
        PairedTest(
            first=a,
            second=b,
            wins=int((scores[a] < scores[b]).sum()),
            ties=int((scores[a] == scores[b]).sum()),
            losses=int((scores[a] > scores[b]).sum()),
            effect=effect,
            p=p,
            p_holm=float(holm),
        )
        for (a, b), (p, effect), holm in zip(pairs, raw, corrected, strict=True)
    ]


def holm(p: Sequence[float]) -> Values:
    """p-values after Holm's correction, in their order; statsmodels' collects garbage at every call.

    Args:
        p: As the tests gave them.

    Example:
        >>> holm([0.01, 0.04, 0.03]).round(2).tolist()
        [0.03, 0.06, 0.06]
    """
    order = np.argsort(p)
    steps = np.arange(len(p), 0, -1) * np.asarray(p, dtype=np.float64)[order]
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return corrected


def signed_rank(advantage: Values) -> tuple[float, float]:
    """Wilcoxon's p-value and the rank-biserial effect of paired differences.

    Args:
        advantage: Positive where the first is better.
    """
    differing = advantage[advantage != 0]
    if not len(differing):
        return 1.0, 0.0
    ranks = stats.rankdata(np.abs(differing))
    effect = float((ranks * np.sign(differing)).sum() / ranks.sum())
    return float(stats.wilcoxon(differing).pvalue), effect


@dataclass(frozen=True)
class Anytime:
    """What a run had found after each of its trials.

    Attributes:
        cost: Simulated seconds (or queries) spent until the trial had finished, shape ``(n,)``, rising.
        best: Index into the run's trials of the incumbent, shape ``(n,)``.
        score: The incumbent's score, shape ``(n,)``.
    """

    cost: Values
    best: NDArray[np.int64]
    score: Values

    def at_cells(self, values: Values, cells: NDArray[np.int64]) -> Values:
        """A curve over numbers of evaluated cells; the last value stays.

        Args:
            values: Shape ``(n,)``, one per trial.
            cells: From 1.
        """
        return np.asarray(values[np.minimum(cells, len(values)) - 1])

    def at_cost(self, values: Values, cost: Values) -> Values:
        """A right-continuous curve over cost: only trials that have finished count; NaN before the first.

        Args:
            values: Shape ``(n,)``, one per trial.
            cost: Where to read the curve.
        """
        finished = np.searchsorted(self.cost, cost, side="right")
        return np.where(finished > 0, values[np.maximum(finished, 1) - 1], np.nan)


def anytime(run: Run) -> Anytime:
    """The incumbent after every trial of a run; the earliest among equals, infinite before the first answer.

    Args:
        run: A run with at least one trial.
    """
    answers = np.array([trial.epochs == run.epochs for trial in run.trials])
    scores = np.where(answers, run.scores, np.inf)
    score = np.minimum.accumulate(scores)
    improved = np.r_[True, scores[1:] < score[:-1]]
    best = np.maximum.accumulate(np.where(improved, np.arange(len(scores)), 0))
    return Anytime(np.array([trial.finished for trial in run.trials]), best, score)
