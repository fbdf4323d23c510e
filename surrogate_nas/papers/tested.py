"""Whether our runs differ from a published figure, or from other runs of ours, in words."""

from __future__ import annotations

import numpy as np
from scipy import stats

from surrogate_nas.papers.ranks import Values

_ROUNDING = 0.005
"""Published figures have two decimals."""


def against_published(ours: Values, name: str, published: tuple[float, float | None], runs: int | None) -> str:
    """Our runs against a published mean.

    Welch's t-test, where its spread and number of runs are known; else a one-sample t-test against the mean.

    Args:
        ours: One value a run, shape ``(n,)``.
        name: Of what was published.
        published: Mean, and standard deviation or None.
        runs: How many runs that is over; None where nobody says.
    """
    mean, std = published
    difference = float(ours.mean() - mean)
    says = f"{difference:+.2f} to {name} {mean:.2f}"
    if len(ours) < 2 or (np.ptp(ours) == 0 and not (std and runs)):  # noqa: PLR2004
        same = " in every run" if len(ours) > 1 else ""
        return f"{says}{same}" if abs(difference) > _ROUNDING else f"{name} {mean:.2f} is reached{same}"
    if std and runs:
        p = stats.ttest_ind_from_stats(
            ours.mean(), ours.std(ddof=1), len(ours), mean, std, runs, equal_var=False
        ).pvalue
        return f"{says} (Welch's {_p(p)})"
    return f"{says} (one-sample t, {_p(stats.ttest_1samp(ours, mean).pvalue)})"


def against_runs(ours: Values, name: str, theirs: Values) -> str:
    """Our runs against others of ours, by Mann & Whitney's test.

    Args:
        ours: One value a run, shape ``(n,)``.
        name: Of the others.
        theirs: Shape ``(m,)``.
    """
    p = stats.mannwhitneyu(ours, theirs).pvalue
    return f"{float(ours.mean() - theirs.mean()):+.2f} to {name} (Mann–Whitney {_p(p)})"


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"  # noqa: PLR2004
