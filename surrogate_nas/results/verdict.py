"""The verdict of a study in plain words: which strategy leads, how certain the lead is, and what
could change the verdict.

One statistical procedure (`surrogate_nas.stats.decision`) computes the verdict over the runs of one
problem or several problems. The procedure can claim which strategy ends with the lowest regret, on
these problems and on other problems of the same type. It can also claim which strategy is the first
to come within 0.01 normalised regret of the optimum, and how a strategy differs from its baselines.
The probability that any claim of a study is false is at most 5 %. A run is evaluated by its final
cell, even if its search used random training seeds. Sentences of a verdict that are not claims only
describe the runs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from surrogate_nas.core import LEVEL, POWER, decimals_for, fixed, p_value, plural, share
from surrogate_nas.results.curves import ProblemResult, accounts_of
from surrogate_nas.stats.decision import (
    EQUIVALENCE_MARGIN,
    FEWEST_SPACES,
    MARGIN,
    MINOR_LEVEL,
    Decision,
    Ends,
    Rival,
    Statement,
    decide,
    detectable,
    flip_p,
    paired,
    runs_for_same,
    signed_ranks,
)
from surrogate_nas.stats.summaries import Row, Summary, Values, holm
from surrogate_nas.strategies import BLIND, controls_of

if TYPE_CHECKING:
    from jinja2 import Template

Problems = Sequence[ProblemResult]
TARGET = 0.01
"""The normalised regret up to which a result counts as practically optimal."""
_MOST_NAMED = 4
_MOST_LEADING = 3
# Smaller differences of normalised regret have no practical meaning
_LEAST_DETECTABLE = 0.001


Figures = tuple[Summary, int, int]
"""The scores of a strategy on the only problem (of runs with a feasible cell), the number of runs,
and the number of these with a feasible cell.
"""


@dataclass(frozen=True)
class _Unit:
    """The unit of all differences and means in a verdict: its name, the factor from normalised
    regret, and the mean of each strategy.
    """

    name: str
    scale: float
    means: Mapping[str, float]

    @classmethod
    def of(
        cls, names: Sequence[str], problems: Problems, *, in_scores: bool
    ) -> "_Unit":
        """Return scores for one problem, otherwise normalised regrets."""
        means = means_of(names, problems).mean(axis=0)
        if not in_scores:
            return cls(
                "normalised regret", 1.0, dict(zip(names, means.tolist(), strict=True))
            )
        reference = problems[0].reference
        scores = (reference.optimum + reference.scale * means).tolist()
        return cls("score", reference.scale, dict(zip(names, scores, strict=True)))

    def size(self, value: float) -> str:
        """Format a normalised regret in this unit, with two significant digits."""
        if self.scale == 1.0 and 0 < value < _LEAST_DETECTABLE:
            return f"less than {_LEAST_DETECTABLE:g}"
        return f"{value * self.scale:.2g}"

    def mean(self, rival: Rival) -> str:
        """Format a mean difference, with its interval if the differences are not all equal."""
        assert rival.difference is not None and rival.interval is not None
        size, (low, high) = abs(rival.difference), rival.interval
        if rival.difference < 0:
            low, high = -high, -low
        width = (high - low) * self.scale
        if width <= 0 or max(abs(low), abs(high)) < _LEAST_DETECTABLE:
            return self.size(size)
        decimals = min(max(1 - int(np.floor(np.log10(width))), 2), 6)
        size_text, *ends = (
            fixed(end * self.scale, decimals) for end in (size, low, high)
        )
        return f"{size_text}, 95 % CI {' to '.join(ends)}"


def joined(names: Sequence[str]) -> str:
    """Join names with commas and "and" for use in a sentence."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _few(names: Sequence[str]) -> str:
    if len(names) <= _MOST_NAMED:
        return joined(names)
    return f"{names[0]}, {names[1]} and {len(names) - 2} others"


def means_of(
    names: Sequence[str],
    problems: Problems,
    fraction: float = 1.0,
) -> Values:
    """Return the mean normalised regrets after a share of the budget, shape
    ``(problems, strategies)``.
    """
    return np.array([[p.at(name, fraction).mean() for name in names] for p in problems])


@dataclass(frozen=True, repr=False)
class Verdict:
    """The verdict of a study.

    Attributes:
        leaders: The strategies with the lowest final regret: one strategy, or several strategies
            without a significant difference. The list is empty if no run found a feasible cell.
        runner_up: The best strategy that is not a leader, or None.
        decided_here: Whether the winner is significantly better than every other strategy on the
            problems of the study.
        decided: Whether the winner is significantly better than every other strategy on other
            problems of this type, with other search spaces.
        statement: The statement on the leader and its closest rival that is not significantly
            worse, or its closest rival if all rivals are significantly worse; None if there is no
            rival.
        level: An upper bound of the probability that any claim in `end`, `speed`, `elsewhere`,
            `blinded` and `controls` is false.
        sentences: The verdict in words, the most important sentence first.
        runs_needed: The estimated number of runs per problem that would make the observed
            difference significant, as a range from low to high. The upper end is None if only a
            lower bound is available. The whole value is None if the difference is significant
            already or if there is no estimate.
        problems_needed: The estimated number of search spaces that would decide which strategy is
            better on other problems, in the format of `runs_needed`.
        end: The decision on which strategy has the lowest final regret.
        speed: The decision on which strategy is the first to come within 0.01 normalised regret of
            the optimum; None if no optimum is available.
        elsewhere: The decision on which strategy has the lowest final regret on other problems of
            this type; None if the study has too few search spaces.
        holds: The robustness of the conclusion under other conditions. Each row has a ``question``,
            an ``answer`` (``Yes``, ``Likely``, ``Partly``, ``No`` or ``Unknown``) and a reason,
            ``why``.
        blinded: Tests of each strategy against itself with hidden names of operations and metrics.
        controls: Tests of each strategy against its other baselines (see `controlled`).
        leading: The number of sentences, at most three, that are shown first.

    Example:
        >>> import surrogate_nas as sn
        >>> comparison = sn.compare(
        ...     "fashion", ["random", "evolution"], runs=2, budget=30
        ... )
        >>> verdict: sn.Verdict = comparison.verdict
        >>> verdict.decided  # one table, two seeds
        False
    """

    leaders: list[str]
    runner_up: str | None = None
    decided_here: bool = False
    decided: bool = False
    statement: Statement | None = None
    level: float = LEVEL
    sentences: list[str] = field(default_factory=list)
    runs_needed: list[int | None] | None = None
    problems_needed: list[int | None] | None = None
    end: Decision | None = None
    speed: Decision | None = None
    elsewhere: Decision | None = None
    holds: list[dict[str, str]] = field(default_factory=list)
    blinded: list[Row] = field(default_factory=list)
    controls: list[Row] = field(default_factory=list)
    leading: int = 0

    @property
    def winner(self) -> str | None:
        """The strategy with the lowest final regret, or None if several leading strategies do not
        differ significantly.
        """
        return self.leaders[0] if len(self.leaders) == 1 else None

    def __repr__(self) -> str:
        return f"<Verdict: {' '.join(self.sentences[:1])}>"

    def __str__(self) -> str:
        """Return the sentences, one per line."""
        return "\n".join(self.sentences)

    def to_json(self) -> Row:
        """Return the verdict in the format of ``--json``."""
        content = asdict(self)
        del content["leading"]
        content["winner"] = self.winner or self.leaders
        for name in ("end", "speed", "elsewhere"):
            decision: Decision | None = getattr(self, name)
            if decision is not None:
                content[name] |= {
                    "leaders": list(decision.leaders),
                    "decided": decision.decided,
                }
        return content


def ends_of(names: Sequence[str], problems: Problems) -> dict[str, list[Values]]:
    """Return the final regrets on which the verdict is based, by strategy and problem. Only run
    numbers that all strategies have are included, and runs with equal numbers are paired.
    """
    return {
        name: [p.paired(p.answers(name), name, names) for p in problems]
        for name in names
    }


def verdict_of(
    names: Sequence[str],
    problems: Problems,
    *,
    figures: Mapping[str, Figures] | None = None,
    skipped: int = 0,
    versions: Mapping[str, int] | None = None,
    seed: int = 0,
) -> Verdict:
    """Compare strategies over the runs of one problem or several problems, and return the verdict.

    Args:
        figures: The final scores of each strategy, if there is only one problem.
        skipped: Number of problems that were not run.
        versions: Number of edited versions of each strategy that were run on these problems and
            seeds, if it was counted.
        seed: The root seed, from which all randomness is derived.
    """
    traces = [trace for p in problems for name in names for trace in p.traces[name]]
    nothing_found = all(trace.found_nothing for trace in traces)
    figures = figures or {}
    # as many decimals as tell the intervals of all strategies and the mean of each apart
    shown = [end for summary, *_ in figures.values() for end in summary.ci95 or ()]
    facts: Row = {
        "accounts": accounts_of(names, problems),
        "decimals": {
            name: decimals_for([*shown, summary.mean])
            for name, (summary, *_) in figures.items()
        },
        "end": None,
        "figures": figures,
        "names": names,
        "nothing_found": nothing_found,
        "problems": problems,
        "runs": len(traces),
        "seed": seed,
        "skipped": skipped,
        "versions": versions or {},
    }
    ends = {} if nothing_found else ends_of(names, problems)
    if (
        len(names) < 2
        or nothing_found
        or not all(len(runs) for by_problem in ends.values() for runs in by_problem)
    ):
        sentences = _written(facts)[0]
        return Verdict(
            [*names] if len(names) == 1 and not nothing_found else [],
            sentences=sentences,
            leading=min(len(sentences), _MOST_LEADING),
        )
    timed = [p for p in problems if p.reference.exact]
    times = {name: [_reached(p, name, names) for p in timed] for name in names if timed}
    spaces = [p.space for p in problems]
    end, speed, elsewhere, pairs = claims_of(ends, times, spaces)
    closest, closest_elsewhere = _closest(end), _closest(elsewhere)
    unit = _Unit.of(names, problems, in_scores=bool(figures))
    leading, further, holds = _written(
        facts
        | _descriptions(names, problems)
        | {
            "end": end,
            "speed": speed,
            "elsewhere": elsewhere,
            "pairs": pairs,
            "unit": unit,
            "spaces": len(set(spaces)),
            "closest": closest,
            "other": closest_elsewhere,
            "equals": [end.leader, *end.same],
            "elsewhere_equals": []
            if elsewhere is None
            else [elsewhere.leader, *elsewhere.same],
            "inverted": _inverted(end, unit),
            "detectable": _detectable(end, ends),
            "noise": _noise(end.leader, closest, problems),
            "spent": {name: text for name in times if (text := _spent(name, timed))},
            "reached": {
                name: float(
                    np.isfinite(
                        [t for p in timed for t in p.runtimes(name, TARGET)]
                    ).mean()
                )
                for name in times
            },
        }
    )
    return Verdict(
        leaders=list(end.leaders),
        runner_up=end.worse[0].name if end.worse else None,
        decided_here=end.decided,
        decided=elsewhere is not None and elsewhere.decided,
        statement=None if closest is None else closest.statement,
        sentences=[*leading, *further],
        runs_needed=_needed(closest),
        problems_needed=_needed(closest_elsewhere),
        end=end,
        speed=speed,
        elsewhere=elsewhere,
        holds=[
            dict(zip(("question", "answer", "why"), line.split(" | ", 2), strict=True))
            for line in holds
        ],
        blinded=[pair for pair in pairs if pair["control"].startswith(BLIND)],
        controls=[pair for pair in pairs if not pair["control"].startswith(BLIND)],
        leading=min(len(leading), _MOST_LEADING),
    )


def _closest(decision: Decision | None) -> Rival | None:
    return (
        None
        if decision is None
        else next(iter((*decision.open, *decision.rivals)), None)
    )


def _needed(closest: Rival | None) -> list[int | None] | None:
    return None if closest is None or closest.needed is None else list(closest.needed)


Claims = tuple[Decision, Decision | None, Decision | None, list[Row]]
"""All claims of a study, which are jointly false with a probability of at most `LEVEL`: which
strategy ends with the lowest regret; which is first within `TARGET` of the optimum (None if no
optimum is available); which ends best on other problems (None if there are too few spaces); and
each strategy against its baselines.
"""


def claims_of(
    ends: Mapping[str, Ends],
    times: Mapping[str, Ends],
    spaces: Sequence[str],
) -> Claims:
    """Decide all claims of a study.

    The claim on final regrets (`ends_of`) is tested at the level
    `surrogate_nas.stats.decision.END_LEVEL`. If it is significant on the problems of the study, the
    claim on other problems is tested at that level, too. The claims on speed (the time to reach
    each available optimum) and on baselines are tested at `MINOR_LEVEL` each.
    """
    end = decide(ends)
    is_wide = len(set(spaces)) >= FEWEST_SPACES
    elsewhere = decide(ends, spaces, after=end) if is_wide else None
    speed = decide(times, ranks_only=True, level=MINOR_LEVEL) if times else None
    return end, speed, elsewhere, controlled(ends)


def controlled(ends: Mapping[str, Ends]) -> list[Row]:
    """Test the final regret of every strategy against that of each of its baselines
    (`surrogate_nas.strategies.controls_of`) that were also run.

    Returns:
        One row per strategy and baseline. ``name`` is the strategy, and ``control`` is the
        baseline, such as ``blind:NAME``. ``p`` is the p-value of the exact two-sided signed-rank
        test of paired runs, after Holm's correction over all pairs of the study. ``better``,
        ``ties`` and ``worse`` are the numbers of paired runs in which the strategy ends better
        than, equal to and worse than the baseline.
    """
    pairs: list[Row] = []
    both = [
        (name, control)
        for name in ends
        for control in controls_of(name)
        if control in ends
    ]
    for name, control in both:
        ranks = [signed_ranks(values) for values in paired(ends[name], ends[control])]
        p = min(1.0, flip_p(ranks), flip_p([-signed for signed in ranks]))
        signs = np.sign(np.concatenate(ranks))
        counts = {
            word: int((signs == sign).sum())
            for word, sign in (("better", 1), ("ties", 0), ("worse", -1))
        }
        pairs.append({"name": name, "p": p, **counts, "control": control})
    corrected = holm([pair["p"] for pair in pairs])
    return [pair | {"p": float(p)} for pair, p in zip(pairs, corrected, strict=True)]


def _reached(problem: ProblemResult, name: str, names: Sequence[str]) -> Values:
    spent = problem.runtimes(name, TARGET)
    return problem.paired(
        np.where(np.isfinite(spent), spent, 2 * problem.checkpoints[-1] + 1),
        name,
        names,
    )


def _inverted(end: Decision, unit: _Unit) -> tuple[str, ...]:
    if not (end.open and end.worse):
        return ()
    lowest = min((rival.name for rival in end.worse), key=unit.means.__getitem__)
    highest = max((rival.name for rival in end.open), key=unit.means.__getitem__)
    pair = [unit.means[lowest], unit.means[highest]]
    if pair[0] >= pair[1]:
        return ()
    return lowest, highest, *(fixed(mean, decimals_for(pair)) for mean in pair)


def _detectable(end: Decision, ends: Mapping[str, Ends]) -> float | None:
    """Return the difference that these runs could have detected. Return None if most pairs tie,
    because the variance is then that of a few runs.
    """
    if not end.open or 2 * end.open[0].ties > end.open[0].pairs:
        return None
    return detectable(ends[end.leader], ends[end.open[0].name])


def _noise(
    leader: str, closest: Rival | None, problems: Problems
) -> list[tuple[bool, float, float]]:
    """For problems with several training seeds, return whether the noise is larger than the
    difference of the closest two, and both numbers.
    """
    known = []
    for p in problems:
        if p.noise is not None and closest is not None:
            gap = abs(float(p.at(leader).mean() - p.at(closest.name).mean()))
            known.append((p.noise > gap, p.noise, gap))
    return known


def _descriptions(names: Sequence[str], problems: Problems) -> Row:
    kinds = {
        "L alone": [p for p in problems if p.weight == 0 and not p.problem.subject_to],
        "L + λR": [p for p in problems if p.weight > 0],
        "a limit": [p for p in problems if p.problem.subject_to],
    }
    tables: dict[tuple[str, ...], dict[float, str]] = {}
    for p in problems:
        if not p.problem.subject_to:
            table = p.problem.address, p.loss, p.problem.seed_policy or "mean", p.unit
            tables.setdefault(table, {})[p.weight] = _lowest(names, [p])
    several = {
        ", ".join(key[:2]): best for key, best in tables.items() if len(best) > 1
    }
    return {
        "by_kind": {
            kind: _lowest(names, of_kind) for kind, of_kind in kinds.items() if of_kind
        },
        "by_table": several,
        "changing": {
            key: best for key, best in several.items() if len({*best.values()}) > 1
        },
        "lowest": [_lowest(names, problems, fraction) for fraction in (0.5, 0.25)],
    }


def _lowest(names: Sequence[str], problems: Problems, fraction: float = 1.0) -> str:
    means = means_of(names, problems, fraction).mean(axis=0)
    is_lowest = np.isclose(means, means.min(), rtol=0, atol=1e-12)
    return _few([name for name, is_it in zip(names, is_lowest, strict=True) if is_it])


def _spent(name: str, problems: Problems) -> str:
    is_single = len(problems) == 1
    spent = [
        p.runtimes(name, TARGET) / (1 if is_single else p.checkpoints[-1])
        for p in problems
    ]
    median = float(np.median(np.concatenate(spent)))
    if not np.isfinite(median):
        return ""
    if not is_single:
        return f"{share(median)} of the budget"
    unit = problems[0].unit
    return f"{median:,.0f} {'cell' if round(median) == 1 and unit == 'cells' else unit}"


def _runs_without_difference(bound: float, runs: int) -> int:
    from scipy.special import betaincinv

    # the bound is the share that may be unseen, at the worst
    worst = bound / float(betaincinv(1, runs, 1 - LEVEL))
    return runs_for_same(max(worst, 1.0))


@lru_cache(maxsize=1)
def _template() -> "Template":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("surrogate_nas", "results"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "count": "{:,}".format,
        "few": _few,
        "fixed": fixed,
        "joined": joined,
        "names": lambda rivals: [rival.name for rival in rivals],
        "p": lambda p: f"p {p_value(p)}" if p < 0.001 else f"p = {p_value(p)}",
        "plural": plural,
        "share": share,
    }
    environment.globals |= {
        "alike": EQUIVALENCE_MARGIN,
        "controls_of": controls_of,
        "fewest_spaces": FEWEST_SPACES,
        "level": LEVEL,
        "margin": MARGIN,
        "minor_level": MINOR_LEVEL,
        "most_named": _MOST_NAMED,
        "power": POWER,
        "runs_without_difference": _runs_without_difference,
        "target": TARGET,
    }
    return environment.get_template("verdict.txt.j2")


def _written(facts: Mapping[str, Any]) -> list[list[str]]:
    text = _template().render(facts)
    return [
        [" ".join(block.split()) for block in part.split("\n\n") if block.strip()]
        for part in text.split("=====")
    ]
