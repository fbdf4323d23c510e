"""The contrasts: within a source first, then between sources, and the rule by which one is decided.

Paule and Mandel, "Consensus values and weighting factors" (1982); Hartung and Knapp, "On tests of
the overall treatment effect" (2001); Higgins, Thompson and Spiegelhalter, "A re-evaluation of
random-effects meta-analysis" (2009); Hall, "On the removal of skewness by transformation" (1992).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.meta_analysis import combine_effects

from analysis.answer.orders import (
    MATCHED,
    NAMES,
    Crossed,
    Judged,
    draws,
    spread_of_seeds,
)
from analysis.answer.reading import WEAK, Values
from analysis.orders import ONE_QUANTITY
from surrogate_nas.core.numbers import LEVEL, POWER
from surrogate_nas.space import DEFAULT_SPACE
from surrogate_nas.stats.summaries import holm

FEWEST = 3
"""Of fewer sources there is no contrast."""
LENGTHS = (1, 4, 8)
TITLES = {
    "valid_loss": "validation loss at the end",
    "train": "training loss at the end",
    "early": "training loss at 20 %",
    MATCHED: "matched less unmatched signal",
}
"""All but the last less the validation measure at the end."""
OF_INTEREST = 0.05
"""A smaller difference of τ is of no interest."""
TWO_LEVEL = 10_000
_SMALL = 1e-12
_REFERENCE = "cross_entropy"


class Combined(NamedTuple):
    """Some sources' differences, by a random-effects model."""

    sources: int  # How many
    mean: float
    error: float  # Of the mean by Hartung and Knapp, of k − 1 degrees of freedom
    p: float  # Two-sided, of a mean of 0
    between: float  # The variance between sources, by Paule and Mandel

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
    """Combine at least three sources' differences, whose variances are by resampling classes."""
    variances = np.maximum(variances, _SMALL)
    # the ratio of variances is infinite where all sources are equal
    with np.errstate(divide="ignore"):
        model = combine_effects(
            differences, variances, method_re="iterated", use_t=True
        )
    error = max(float(model.sd_eff_w_re_hksj), _SMALL)
    mean, k = float(model.mean_effect_re), len(differences)
    p = float(2 * stats.t.sf(abs(mean) / error, k - 1))
    return Combined(k, mean, error, p, float(model.tau2))


def combine_resampled(values: Values) -> Combined:
    """The same of differences with their resamples, shape ``(sources, 1 + resamples)``."""
    return combine(values[:, 0], values[:, 1:].var(axis=1, ddof=1))


def hall(values: Values, level: float = LEVEL) -> tuple[float, float]:
    """The interval of a mean of at least three values that allows for skewness."""
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


def two_level(resampled: Values) -> tuple[float, float]:
    """The interval of the mean by drawing sources, then classes; shape ``(sources, resamples)``."""
    rng = np.random.default_rng(3)
    sources, n = resampled.shape
    drawn = rng.integers(sources, size=(TWO_LEVEL, sources))
    means = resampled[drawn, rng.integers(n, size=(TWO_LEVEL, 1))].mean(axis=1)
    low, high = np.quantile(means, [LEVEL / 2, 1 - LEVEL / 2])
    return float(low), float(high)


class Decision(NamedTuple):
    """What the rule says of one contrast of a length."""

    holm: float  # Its p-value after Holm's correction
    level: float  # The level of its step of Holm
    # Hall's interval of the sources' plain mean at that level
    hall: tuple[float, float]

    @property
    def decided(self) -> bool:
        """Both the test and Hall's interval leave 0 out."""
        return self.holm < LEVEL and not self.hall[0] <= 0 <= self.hall[1]


def decide(tested: Sequence[tuple[Combined, Values]]) -> list[Decision]:
    """Decide the contrasts of one length, by the combination and the sources' differences."""
    p = [combined.p for combined, _ in tested]
    place = stats.rankdata(p, method="ordinal").astype(int) - 1
    levels = [LEVEL / (len(p) - i) for i in place]
    return [
        Decision(float(after), level, hall(differences, level))
        for after, level, (_, differences) in zip(holm(p), levels, tested, strict=True)
    ]


def of_length(judged: Iterable[Judged], length: float) -> list[Judged]:
    """Those whose runs have a length, of the space of the design."""
    some = [one for one in judged if one.table.length == length]
    return [one for one in some if one.table.space == DEFAULT_SPACE]


def by_source(values: Iterable[tuple[str, Values]]) -> dict[str, Values]:
    """The mean over each source's tasks, and its resamples."""
    found: dict[str, list[Values]] = {}
    for source, own in values:
        found.setdefault(source, []).append(own)
    return {source: np.mean(own, axis=0) for source, own in found.items()}


def counted(values: Values, variances: Values) -> dict[str, int]:
    """How many sources are worse or better than 0 after Holm's correction, or the same."""
    scores = values / np.sqrt(np.maximum(variances, _SMALL))
    p = holm((2 * stats.norm.sf(np.abs(scores))).tolist())
    told = np.sign(scores) * (np.array(p) < LEVEL)
    names = {"worse": -1, "same": 0, "better": 1}
    return {name: int((told == sign).sum()) for name, sign in names.items()}


def described(combined: Combined, values: Values, variances: Values) -> dict[str, Any]:
    """The mean of sources with its intervals, and how many of them differ from 0."""
    return {
        "sources": combined.sources,
        "mean": combined.mean,
        **dict(zip(("low", "high"), combined.interval(), strict=True)),
        **dict(zip(("new_low", "new_high"), combined.predicted, strict=True)),
        **counted(values, variances),
        "between": math.sqrt(combined.between),
        "p": combined.p,
    }


def mean_of(values: Values, variances: Values) -> dict[str, Any]:
    """The random-effects mean of sources, described."""
    return described(combine(values, variances), values, variances)


def is_negligible(line: Mapping[str, Any]) -> bool:
    """Whether the interval of a mean lies within the differences of no interest."""
    return bool(-OF_INTEREST < line["low"] and line["high"] < OF_INTEREST)


def of_sources(judged: Iterable[Judged], name: str, what: str = "taus") -> Values:
    """A contrast of `taus` or `regrets`, shape ``(sources, 1 + resamples)``."""
    pairs = [
        (one.table.source, getattr(one, what)[name])
        for one in judged
        if name in one.taus
    ]
    return np.array(list(by_source(pairs).values()))


def contrasts(
    judged: Sequence[Judged], in_part: Collection[float] = ()
) -> pd.DataFrame:
    """All contrasts, a line each and length.

    Args:
        judged: The tables that take part.
        in_part: Lengths of which trainings are lacking: nothing is decided there.
    """
    lines = []
    for length in LENGTHS:
        own = of_length(judged, length)
        taus = {name: of_sources(own, name) for name in NAMES}
        taus = {name: values for name, values in taus.items() if len(values) >= FEWEST}
        combined = {name: combine_resampled(values) for name, values in taus.items()}
        decisions = decide([(combined[name], taus[name][:, 0]) for name in taus])
        for name, decision in zip(taus, decisions, strict=True):
            n_tasks = sum(name in one.taus for one in own)
            line = {"length": length, "contrast": name, "tasks": n_tasks}
            line |= _of_tau(combined[name], decision, taus[name])
            lines.append(line | _of_regret(of_sources(own, name, "regrets"), decision))
    frame = pd.DataFrame(lines)
    if len(frame):
        frame["whole"] = ~frame["length"].isin(list(in_part))
        for name in ("decided", "regret_decided", "negligible"):
            frame[name] &= frame["whole"]
    return frame


def _of_tau(combined: Combined, decision: Decision, values: Values) -> dict[str, Any]:
    line = described(combined, values[:, 0], values[:, 1:].var(axis=1, ddof=1))
    two_level_low, two_level_high = two_level(values[:, 1:])
    return {
        **{"difference" if name == "mean" else name: own for name, own in line.items()},
        "holm": decision.holm,
        "level": decision.level,
        "hall_low": decision.hall[0],
        "hall_high": decision.hall[1],
        "decided": decision.decided,
        "negligible": is_negligible(line),
        "detectable": combined.detectable(decision.level),
        "plain": float(values[:, 0].mean()),
        "two_level_low": two_level_low,
        "two_level_high": two_level_high,
    }


def _of_regret(values: Values, decision: Decision) -> dict[str, Any]:
    """The same contrast in regret; tested only where that of τ is decided (a gatekeeper)."""
    combined = combine_resampled(values)
    low, high = combined.interval()
    inside = hall(values[:, 0], decision.level)
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


def besides(judged: Sequence[Judged], in_part: Collection[float] = ()) -> pd.DataFrame:
    """The contrasts with tasks that are noise, and without the two weak ones."""
    strong = [one for one in judged if not one.is_noise and one.table.task not in WEAK]
    versions = {
        "with tasks that are noise": contrasts(judged, in_part),
        f"without {' and '.join(WEAK)}": contrasts(strong, in_part),
    }
    return pd.concat(versions, names=["which"]).reset_index(level=0)


def over_classes(values: Values) -> dict[str, float]:
    """A difference with its interval over classes, by the standard error of its resamples."""
    reach = stats.norm.ppf(1 - LEVEL / 2) * values[1:].std(ddof=1)
    return {
        "difference": values[0],
        "low": values[0] - reach,
        "high": values[0] + reach,
    }


def each_source(judged: Sequence[Judged]) -> pd.DataFrame:
    """By length, contrast and source: the difference with its interval over classes."""
    lines = []
    for length in LENGTHS:
        for name in NAMES:
            own = [one for one in of_length(judged, length) if name in one.taus]
            pairs = [(one.table.source, one.taus[name]) for one in own]
            for source, values in by_source(pairs).items():
                tasks = [one.table.task for one in own if one.table.source == source]
                line = {"length": length, "contrast": name, "source": source}
                lines.append(line | {"tasks": ", ".join(tasks)} | over_classes(values))
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
    return frame.assign(holm=holm(frame["p"].tolist())) if lines else frame


def reached(judged: Sequence[Judged]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The test metric that networks reach by other losses, against cross-entropy.

    In standard deviations of a training seed; above 0 the other loss reaches the better metric. The
    mean over architectures, then a source's tasks, then sources; runs have the usual length.

    Returns:
        A line a loss, and one a loss and source.
    """
    known: dict[str, list[tuple[str, Values]]] = {}
    for table in (one.table for one in of_length(judged, 1)):
        for loss in table.losses if table.usual == _REFERENCE else ():
            usual = table("test", table.measure)
            own = table("test", table.measure, loss=loss)
            gains = (usual - own).mean(axis=0) / spread_of_seeds(usual)
            gains = gains[np.isfinite(gains)]
            told = np.array([gains.mean(), gains.var(ddof=1) / len(gains)])
            known.setdefault(loss, []).append((table.source, told))
    lines, points = [], []
    for loss, pairs in known.items():
        sources = by_source(pairs)
        points += [(loss, source, value) for source, (value, _) in sources.items()]
        if len(sources) >= FEWEST:
            lines.append({"loss": loss} | mean_of(*np.array([*sources.values()]).T))
    heads = ["loss", "source", "difference"]
    return pd.DataFrame(lines), pd.DataFrame(points, columns=heads)


def moderator(judged: Sequence[Judged]) -> pd.DataFrame:
    """Spearman's ρ of the gap with contrasts 2 and 1, over tasks × lengths and within lengths."""
    every = [one for length in LENGTHS for one in of_length(judged, length)]
    lines = []
    for name in ("train", "valid_loss"):
        told = [
            (one.table.length, one.gap, one.taus[name][0])
            for one in every
            if name in one.taus
        ]
        frame = pd.DataFrame(told, columns=["length", "gap", "difference"])
        within = [_rho(part) for _, part in frame.groupby("length")]
        line = {"contrast": name, "points": len(frame), "over_all": _rho(frame)}
        lines.append(line | {"within": pd.Series(within, dtype=float).mean()})
    return pd.DataFrame(lines)


def _rho(part: pd.DataFrame) -> float:
    return part["gap"].corr(part["difference"], method="spearman", min_periods=FEWEST)


def worth(judged: Sequence[Judged]) -> pd.DataFrame:
    """What .05 of τ is worth: medians over tasks, in points of error and in spreads of seeds."""
    lines = []
    for one in of_length(judged, 1):
        spread = spread_of_seeds(one.table("test", one.table.measure))
        lines.append((one.table.unit, one.worth, one.worth / spread))
    known = pd.DataFrame(lines, columns=["unit", "worth", "seeds"]).dropna()
    points = known.loc[known["unit"] == "%", "worth"]
    line = {
        "points": points.median(),
        "of_tasks": len(points),
        "seeds": known["seeds"].median(),
    }
    return pd.DataFrame([line])


def second_space(judged: Sequence[Judged]) -> pd.DataFrame:
    """The contrasts of single tasks in another space, over its classes."""
    lines = []
    for one in judged:
        if one.table.space != DEFAULT_SPACE:
            for name, values in one.taus.items():
                line = {
                    "space": one.table.space,
                    "task": one.table.task,
                    "contrast": name,
                }
                lines.append(line | over_classes(values))
    return pd.DataFrame(
        lines, columns=["space", "task", "contrast", "difference", "low", "high"]
    )


def short_runs(judged: Sequence[Judged], n: int) -> pd.DataFrame:
    """A short run's own end less the point at 20 % of a whole run, by the whole run's measure."""
    heads = [
        "task",
        "split",
        "quantity",
        "length",
        "own",
        "point",
        "difference",
        "low",
        "high",
    ]
    lines = []
    for whole in (one.table for one in of_length(judged, 1)):
        shorter = [one.table for one in judged if one.table.task == whole.task]
        for table in shorter:
            if table.length >= 1 or table.space != DEFAULT_SPACE:
                continue
            both, short, long = np.intersect1d(
                table.classes, whole.classes, return_indices=True
            )
            crossed = Crossed(np.ascontiguousarray(draws(n)[:, both]))
            goal = whole("test", whole.measure)[:, long]
            for split, quantity in (
                ("valid", whole.measure),
                ("valid", "loss"),
                ("train", "loss"),
            ):
                own = crossed(table(split, quantity)[:, short], goal)
                point = crossed(whole(split, quantity, 20)[:, long], goal)
                about = (whole.task, split, quantity, table.length, own[0], point[0])
                lines.append((*about, *over_classes(own - point).values()))
    return pd.DataFrame(lines, columns=heads)


def left_out(judged: Sequence[Judged]) -> pd.DataFrame:
    """Tables that are noise, and those in which loss and measure are one quantity."""
    frame = pd.DataFrame(
        {
            "table": [one.table.name for one in judged],
            "agreement": [one.agreement for one in judged],
            "same": [one.same for one in judged],
            "noise": [one.is_noise for one in judged],
        }
    )
    frame["one"] = frame["same"] >= ONE_QUANTITY
    return frame[frame["noise"] | frame["one"]]
