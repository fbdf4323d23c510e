"""The contrasts: within a source first, then between sources, and the rule by which one is decided.

Paule and Mandel, "Consensus values and weighting factors" (1982); Hartung and Knapp, "On tests of
the overall treatment effect" (2001); Higgins, Thompson and Spiegelhalter, "A re-evaluation of
random-effects meta-analysis" (2009); Hall, "On the removal of skewness by transformation" (1992).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.meta_analysis import combine_effects

from analysis.answer.orders import CONTRASTED, KIND, ONE_QUANTITY, Crossed, Judged, draws
from analysis.answer.tables import WEAK, Table, Values
from surrogate_nas.core.levels import LEVEL, POWER
from surrogate_nas.space import DEFAULT_SPACE
from surrogate_nas.study.advice import OF_INTEREST
from surrogate_nas.study.statistics import holm

FEWEST = 3
"""Of fewer sources there is no contrast."""
LENGTHS = (1, 4, 8)
TITLES = {
    "valid_loss": "validation loss at the end",
    "train": "training loss at the end",
    "early": "training loss at 20 %",
    KIND: "matched less unmatched kind",
}
"""All but the last less the validation measure at the end."""
TWO_LEVEL = 10_000
_SMALL = 1e-12


class Combined(NamedTuple):
    """Some sources' differences, by a random-effects model.

    Attributes:
        sources: How many.
        mean: Their mean.
        error: Its standard error by Hartung and Knapp, of k − 1 degrees of freedom.
        p: Two-sided, of a mean of 0.
        between: The variance between sources, by Paule and Mandel.
    """

    sources: int
    mean: float
    error: float
    p: float
    between: float

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        """Of the mean."""
        reach = stats.t.ppf(1 - level / 2, self.sources - 1) * self.error
        return self.mean - reach, self.mean + reach

    @property
    def predicted(self) -> tuple[float, float]:
        """Where a new source would lie."""
        spread = math.sqrt(self.between + self.error**2)
        reach = stats.t.ppf(1 - LEVEL / 2, self.sources - 2) * spread
        return self.mean - reach, self.mean + reach

    def detectable(self, level: float) -> float:
        """The difference that a test at a level would see with a power of 80 %."""
        quantile = stats.t.ppf(1 - level / 2, self.sources - 1)
        return float((quantile + stats.norm.ppf(POWER)) * self.error)


def combine(differences: Values, variances: Values) -> Combined:
    """Combine sources.

    Args:
        differences: By source, at least three.
        variances: Of each, by resampling classes.
    """
    variances = np.maximum(variances, _SMALL)
    model = combine_effects(differences, variances, method_re="iterated", use_t=True)
    error = max(float(model.sd_eff_w_re_hksj), _SMALL)
    mean, k = float(model.mean_effect_re), len(differences)
    p = float(2 * stats.t.sf(abs(mean) / error, k - 1))
    return Combined(k, mean, error, p, float(model.tau2))


def hall(values: Values, level: float = LEVEL) -> tuple[float, float]:
    """The interval of a mean that allows for skewness.

    Args:
        values: At least three.
        level: One less its coverage.
    """
    n, mean = len(values), float(values.mean())
    rest = values - mean
    error = math.sqrt((rest**2).sum() / ((n - 1) * n))
    if error < _SMALL:
        return mean, mean
    skew = float((rest**3).sum()) / ((n - 1) * (n - 2) * n) / error**3
    reach = stats.t.ppf(1 - level / 2, n - 1)

    def bent(x: float) -> float:
        if abs(skew) < 1e-9:
            return x
        return 3 / skew * (float(np.cbrt(1 + skew * (x - skew / 6))) - 1)

    return mean - error * bent(reach), mean - error * bent(-reach)


def by_source(values: Iterable[tuple[Table, Values]]) -> dict[str, Values]:
    """The mean over each source's tasks, and its resamples."""
    found: dict[str, list[Values]] = {}
    for table, own in values:
        found.setdefault(table.source, []).append(own)
    return {source: np.mean(own, axis=0) for source, own in found.items()}


def two_level(resampled: Values) -> tuple[float, float]:
    """The interval of the mean by drawing sources, then classes; shape ``(sources, resamples)``."""
    rng = np.random.default_rng(3)
    sources, n = resampled.shape
    drawn = rng.integers(sources, size=(TWO_LEVEL, sources))
    means = resampled[drawn, rng.integers(n, size=(TWO_LEVEL, 1))].mean(axis=1)
    low, high = np.quantile(means, [LEVEL / 2, 1 - LEVEL / 2])
    return float(low), float(high)


class Decision(NamedTuple):
    """What the rule says of one contrast of a length.

    Attributes:
        holm: Its p-value after Holm's correction.
        level: The level of its step of Holm.
        hall: Hall's interval of the sources' plain mean at that level.
    """

    holm: float
    level: float
    hall: tuple[float, float]

    @property
    def decided(self) -> bool:
        """Both the test and Hall's interval leave 0 out."""
        return self.holm < LEVEL and not self.hall[0] <= 0 <= self.hall[1]


def decide(tested: Sequence[tuple[Combined, Values]]) -> list[Decision]:
    """Decide the contrasts of one length.

    Args:
        tested: Of each the combination, and the sources' differences.
    """
    p = [combined.p for combined, _ in tested]
    place = stats.rankdata(p, method="ordinal").astype(int) - 1
    levels = [LEVEL / (len(p) - i) for i in place]
    return [
        Decision(float(after), level, hall(differences, level))
        for after, level, (_, differences) in zip(holm(p), levels, tested, strict=True)
    ]


def of_length(judged: Sequence[Judged], length: float) -> list[Judged]:
    """Those whose runs have a length, of the space of the design."""
    return [
        one for one in judged if one.table.length == length and one.table.space == DEFAULT_SPACE
    ]


def contrasts(
    judged: Sequence[Judged],
    *,
    with_noise: bool = False,
    without: Sequence[str] = (),
    in_part: Collection[float] = (),
) -> pd.DataFrame:
    """All contrasts, a line each and length.

    Args:
        judged: The tables.
        with_noise: Whether tasks whose two seeds disagree take part.
        without: Tasks that take none.
        in_part: Lengths of which trainings are lacking: nothing is decided there.
    """
    lines = []
    for length in LENGTHS:
        some = [one for one in of_length(judged, length) if one.table.task not in without]
        some = [one for one in some if with_noise or not one.is_noise]
        lines += _of_length(some, length)
    frame = pd.DataFrame(lines)
    if len(frame):
        frame["whole"] = ~frame["length"].isin(list(in_part))
        for name in ("decided", "regret_decided", "negligible"):
            frame[name] &= frame["whole"]
    return frame


def _of_length(judged: Sequence[Judged], length: float) -> list[dict[str, object]]:
    taus = {}
    costs = {}
    tasks = {}
    for name in (*CONTRASTED, KIND):
        own = [one for one in judged if name in one.taus]
        sources = by_source((one.table, one.taus[name]) for one in own)
        if len(sources) >= FEWEST:
            taus[name] = np.array(list(sources.values()))
            regrets = by_source((one.table, one.regrets[name]) for one in own)
            costs[name] = np.array(list(regrets.values()))
            tasks[name] = len(own)
    combined = {name: _combined(values) for name, values in taus.items()}
    tested = [(combined[name], taus[name][:, 0]) for name in taus]
    lines = []
    for name, decision in zip(taus, decide(tested), strict=True):
        line = {"length": length, "contrast": name, "tasks": tasks[name]}
        line |= _told(combined[name], decision, taus[name])
        lines.append(line | _gatekeeper(costs[name], decision))
    return lines


def _combined(values: Values) -> Combined:
    return combine(values[:, 0], values[:, 1:].var(axis=1, ddof=1))


def _told(combined: Combined, decision: Decision, values: Values) -> dict[str, object]:
    low, high = combined.interval()
    return {
        "sources": combined.sources,
        "difference": combined.mean,
        "low": low,
        "high": high,
        "new_low": combined.predicted[0],
        "new_high": combined.predicted[1],
        "between": math.sqrt(combined.between),
        "p": combined.p,
        "holm": decision.holm,
        "level": decision.level,
        "hall_low": decision.hall[0],
        "hall_high": decision.hall[1],
        "decided": decision.decided,
        "negligible": -OF_INTEREST < low and high < OF_INTEREST,
        "detectable": combined.detectable(decision.level),
        "plain": float(values[:, 0].mean()),
        **dict(zip(("two_level_low", "two_level_high"), two_level(values[:, 1:]), strict=True)),
    }


def _gatekeeper(costs: Values, decision: Decision) -> dict[str, object]:
    """The same contrast in regret; tested only where that of τ is decided."""
    combined = _combined(costs)
    low, high = combined.interval()
    inside = hall(costs[:, 0], decision.level)
    passes = combined.p < decision.level and not inside[0] <= 0 <= inside[1]
    return {
        "regret": combined.mean,
        "regret_low": low,
        "regret_high": high,
        "regret_p": combined.p if decision.decided else math.nan,
        "regret_decided": decision.decided and passes,
    }


def outcome(line: pd.Series) -> str:
    """What the rule makes of a contrast: ``for``, ``against``, ``same`` or ``open``; ``part`` where
    trainings are lacking.
    """
    if not line["whole"]:
        return "part"
    if line["decided"]:
        return "for" if line["difference"] > 0 else "against"
    return "same" if line["negligible"] else "open"


def over_classes(values: Values) -> dict[str, float]:
    """A difference with its interval over classes, by the standard error of its resamples."""
    reach = stats.norm.ppf(1 - LEVEL / 2) * values[1:].std(ddof=1)
    return {"difference": values[0], "low": values[0] - reach, "high": values[0] + reach}


def each_source(judged: Sequence[Judged]) -> pd.DataFrame:
    """By length, contrast and source: the difference with its interval over classes."""
    lines = []
    for length in LENGTHS:
        own = [one for one in of_length(judged, length) if not one.is_noise]
        for name in (*CONTRASTED, KIND):
            some = [one for one in own if name in one.taus]
            for source, values in by_source((one.table, one.taus[name]) for one in some).items():
                names = [one.table.task for one in some if one.table.source == source]
                line = {"length": length, "contrast": name, "source": source}
                lines.append(line | {"tasks": ", ".join(names), **over_classes(values)})
    return pd.DataFrame(lines)


def losses_that_train(judged: Sequence[Judged]) -> pd.DataFrame:
    """Every other loss: its own validation value less the usual measure, a normal test, Holm."""
    lines = []
    for one in of_length(judged, 1):
        for loss, values in one.losses.items():
            error = max(float(values[1:].std(ddof=1)), _SMALL)
            p = float(2 * stats.norm.sf(abs(values[0]) / error))
            line = {"task": one.table.task, "loss": loss, "usual": one.table.usual}
            lines.append(line | over_classes(values) | {"p": p})
    frame = pd.DataFrame(lines)
    if len(frame):
        frame["holm"] = holm(frame["p"].tolist())
    return frame


def moderator(judged: Sequence[Judged]) -> pd.DataFrame:
    """Spearman's ρ of the gap with contrasts 2 and 1, over tasks × lengths and within lengths."""
    some = [one for length in LENGTHS for one in of_length(judged, length) if not one.is_noise]
    lines = []
    for name in ("train", "valid_loss"):
        own = [one for one in some if name in one.taus]
        table = pd.DataFrame(
            {
                "length": [one.table.length for one in own],
                "gap": [one.gaps[100] for one in own],
                "difference": [one.taus[name][0] for one in own],
            }
        )
        within = [_rho(part) for _, part in table.groupby("length") if len(part) >= FEWEST]
        inside = float(np.mean(within)) if within else math.nan
        over = _rho(table) if len(table) >= FEWEST else math.nan
        lines.append({"contrast": name, "points": len(own), "over_all": over, "within": inside})
    return pd.DataFrame(lines)


def _rho(part: pd.DataFrame) -> float:
    return float(stats.spearmanr(part["gap"], part["difference"]).statistic)


def worth(judged: Sequence[Judged]) -> dict[str, float]:
    """What .05 of τ is worth: medians over the tasks of length 1 that are no noise."""
    own = [one for one in of_length(judged, 1) if not one.is_noise]
    known = [one for one in own if math.isfinite(one.worth[0])]
    points = [one.worth[0] for one in known if one.table.unit == "%"]
    return {
        "points": float(np.median(points)) if points else math.nan,
        "of_tasks": len(points),
        "seeds": float(np.median([one.worth[1] for one in known])) if known else math.nan,
    }


def besides(judged: Sequence[Judged], in_part: Collection[float] = ()) -> pd.DataFrame:
    """The contrasts with tasks that are noise, and without the two weak ones."""
    versions = {
        "with tasks that are noise": contrasts(judged, with_noise=True, in_part=in_part),
        f"without {' and '.join(WEAK)}": contrasts(judged, without=WEAK, in_part=in_part),
    }
    return pd.concat(versions, names=["which"]).reset_index(level=0)


def second_space(judged: Sequence[Judged]) -> pd.DataFrame:
    """The contrasts of single tasks in another space, over its classes."""
    lines = []
    for one in judged:
        if one.table.space != DEFAULT_SPACE:
            for name, values in one.taus.items():
                line = {"space": one.table.space, "task": one.table.task, "contrast": name}
                lines.append(line | over_classes(values))
    return pd.DataFrame(lines, columns=["space", "task", "contrast", "difference", "low", "high"])


def short_runs(judged: Sequence[Judged], n: int) -> pd.DataFrame:
    """A short run's own end less the point at 20 % of a whole run, by the whole run's measure."""
    whole = {one.table.task: one.table for one in of_length(judged, 1)}
    lines = []
    for one in judged:
        table = whole.get(one.table.task)
        if one.table.length < 1 and one.table.space == DEFAULT_SPACE and table is not None:
            both, short, long = np.intersect1d(
                one.table.classes, table.classes, return_indices=True
            )
            crossed = Crossed(np.ascontiguousarray(draws(n)[:, both]))
            goal = table("test", table.measure)[:, long]
            for split, quantity in (("valid", table.measure), ("valid", "loss"), ("train", "loss")):
                own = crossed(one.table(split, quantity)[:, short], goal)
                point = crossed(table(split, quantity, 20)[:, long], goal)
                line = {"task": table.task, "split": split, "quantity": quantity}
                line |= {"length": one.table.length, "own": own[0], "point": point[0]}
                lines.append(line | over_classes(own - point))
    heads = ["task", "split", "quantity", "length", "own", "point", "difference", "low", "high"]
    return pd.DataFrame(lines, columns=heads)


def left_out(judged: Sequence[Judged]) -> pd.DataFrame:
    """Tables that are noise, and those in which loss and measure are one quantity."""
    lines = []
    for one in judged:
        if one.is_noise or one.same >= ONE_QUANTITY:
            line = {"table": one.table.name, "agreement": one.agreement, "same": one.same}
            lines.append(line | {"noise": one.is_noise, "one": one.same >= ONE_QUANTITY})
    frame = pd.DataFrame(lines, columns=["table", "agreement", "same", "noise", "one"])
    return frame.astype({"noise": bool, "one": bool})
