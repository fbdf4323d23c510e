"""The answer as a table, as rows and as JSON, all of it computed from the studies and the searches alone.

The contrasts and the moderator were named before the tables were made. Three signals of the usual loss's runs are held
against the validation measure: the validation loss and the training loss at the end, and the training loss at a fifth
of the run. Each is a difference of τ (with the final measure of the other seeds), the mean over tasks; runs of
different lengths are told apart. Holm's correction is over the three.

The moderator is how far validation loss lies above training loss at the moment of looking: Spearman's ρ with the
contrasts, over tasks and run lengths, tasks resampled with all their lengths. It is told as found only beyond chance.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from surrogate_nas.benchmarks.making.losses.agreement import LEAST, Agreement
from surrogate_nas.papers.common.paper import Row, Summary
from surrogate_nas.papers.common.ranks import Values
from surrogate_nas.papers.trained.orders import LEVEL, ends, p_of, seen_from, spearman_of, tail_of, two_level
from surrogate_nas.papers.trained.searched import Meeting, Searched, meetings
from surrogate_nas.papers.trained.study import CONTRASTED, DRAWN, EARLY, MEASURE, Goal, Replication, Signal, Study, Told
from surrogate_nas.study.statistics import holm

OF_INTEREST = 0.05
"""A difference of τ below this is of no interest."""
FEWEST_TASKS = 5
BAND = "kendall_best_half"
"""Where losses are looked for: a search ends among the good cells, and a quarter of two hundred is too few to tell."""
ALL = "kendall"
CHEAP = 0.5
TITLES = {
    MEASURE: "validation measure", "loss": "validation loss", "train": "final training loss",
    "early": f"training loss at {EARLY:.0%} of the run",
}  # fmt: skip
"""The signals in words."""
_HEADS = (
    "task", "wanted", "cells × seeds", "two seeds", "same run", "gap", "measure: τ → r", "valid loss: τ → r",
    "train loss: τ → r", f"train loss, {EARLY:.0%}: τ → r",
)  # fmt: skip
_MORE = (
    "judged by", "cells", "two seeds: τ", "two seeds: best half", "best L after whole runs", "its τ", "its best half",
    "its regret", f"best L for at most {CHEAP:.0%}", "its cost", "early τ", "early best half", "early regret",
    "trained otherwise: apart",
)  # fmt: skip


@dataclass(frozen=True)
class Contrast:
    """A signal against the validation measure, over tasks."""

    signal: str  # One of `surrogate_nas.papers.trained.study.CONTRASTED`
    length: int  # Of the runs, in usual runs
    tasks: int  # How many
    difference: float  # The mean over tasks of τ less that of the validation measure
    low: float  # Where its interval of 95 % begins
    high: float  # Where it ends
    within: float  # The larger end, whatever its sign, of the interval corrected for all three: what it surely is below
    p: float  # Two-sided, of no difference
    corrected: float  # The same after Holm's correction over the three
    detectable: float  # A difference from this is seen with a power of 80 % after correction

    @property
    def seen(self) -> bool:
        """Whether there is a difference beyond chance."""
        return self.corrected <= LEVEL

    @property
    def negligible(self) -> bool:
        """Whether it is surely smaller than what is of interest."""
        return self.within < OF_INTEREST


@dataclass(frozen=True)
class Moderation:
    """Whether a contrast goes with the gap between validation and training loss."""

    signal: str  # Of the contrast
    tables: int  # Tasks and run lengths
    rho: float  # Spearman's, of the gap with the contrast
    low: float  # Where its interval of 95 % begins
    high: float  # Where it ends
    p: float  # Two-sided, by resampling tasks
    corrected: float  # The same after Holm's correction over the three
    detectable: float  # A ρ from this is seen with a power of 80 % after correction; above 1 none is

    @property
    def seen(self) -> bool:
        """Whether it does beyond chance."""
        return self.corrected <= LEVEL


def contrasts_of(studies: Sequence[Study]) -> list[Contrast]:
    """The three contrasts, by run length; of lengths with at least `FEWEST_TASKS` tasks."""
    found = []
    for length, held in by_length(studies).items():
        if len({one.task for one in held}) >= FEWEST_TASKS:
            found += _corrected(length, held)
    return found


def by_length(studies: Sequence[Study]) -> dict[int, list[Study]]:
    """Studies by the length of their runs in usual runs, 1 first."""
    usual = {one.task: one.epochs for one in studies if not one.longer}
    grouped: dict[int, list[Study]] = {}
    for one in studies:
        length = round(one.epochs / usual.get(one.task, one.epochs)) if one.longer else 1
        grouped.setdefault(length, []).append(one)
    return dict(sorted(grouped.items()))


def _corrected(length: int, held: Sequence[Study]) -> list[Contrast]:
    resampled = {key: two_level(_of_tasks(held, key)) for key in CONTRASTED}
    tasks = len({one.task for one in held})
    each = {key: p_of(values, tasks) for key, values in resampled.items()}
    made = []
    for key, p in zip(CONTRASTED, holm([*each.values()]), strict=True):
        values = resampled[key]
        low, high = ends(values, tasks, LEVEL)
        within = max(map(abs, ends(values, tasks, LEVEL / len(CONTRASTED))))
        needed = seen_from(tasks, len(CONTRASTED)) * float(values[1:].std())
        made.append(Contrast(key, length, tasks, float(values[0]), low, high, within, each[key], float(p), needed))
    return made


def _of_tasks(held: Sequence[Study], key: str) -> Values:
    """By task, the estimate and its resamples of cells; the mean over tables of one task."""
    by_task: dict[str, list[Values]] = {}
    for one in held:
        by_task.setdefault(one.task, []).append(one.contrasts[key])
    return np.array([np.mean(values, axis=0) for values in by_task.values()])


def moderations_of(studies: Sequence[Study]) -> list[Moderation]:
    """Whether each contrast goes with the gap, over tasks and run lengths; none of fewer than `FEWEST_TASKS` tasks."""
    tasks = [one.task for one in studies]
    if len(set(tasks)) < FEWEST_TASKS:
        return []
    found: dict[str, Values] = {}
    for key in CONTRASTED:
        gaps = np.array([one.signals[key].gap for one in studies])
        found[key] = spearman_of(gaps, np.array([one.contrasts[key][0] for one in studies]), tasks)
    p = [min(1.0, 2 * tail_of(values)) for values in found.values()]
    made = []
    for (key, values), raw, after in zip(found.items(), p, holm(p), strict=True):
        low, high = np.nanquantile(values[1:], [LEVEL / 2, 1 - LEVEL / 2])
        needed = seen_from(len(set(tasks)), len(CONTRASTED)) * float(np.nanstd(values[1:]))
        made.append(Moderation(key, len(studies), float(values[0]), float(low), float(high), raw, float(after), needed))
    return made


def summary(studies: Sequence[Study]) -> Summary:
    """One line a task: τ of the signals, and the correlation without the noise of seeds."""
    apart = differing(studies)
    return Summary(_HEADS, [_line(found) for found in studies], [_more(found, apart[found.name]) for found in studies])


def _line(found: Study) -> tuple[str, ...]:
    noise = " (noise)" if is_noise(found) else ""
    least, most, _ = found.seeds
    return (
        found.name, found.judged, f"{found.classes[0]:,} × {least if least == most else f'{least}–{most}'}",
        f"{about(found.two_seeds)}{noise}", number(found.signals[MEASURE].same_run),
        number(found.signals["train"].gap), *(_told(signal) for signal in found.signals.values()),
    )  # fmt: skip


def _told(signal: Signal) -> str:
    return f"{about(signal.tau)} → {about(signal.corrected)}"


def number(value: float, digits: int = 2) -> str:
    """A number as people write it; a dash where there is none."""
    if not math.isfinite(value):
        return "–"
    text = f"{abs(value):.{digits}f}"
    return (
        ("−" if value < 0 and float(text) else "") + text.removeprefix("0") if abs(value) < 1 else f"{value:.{digits}f}"
    )


def about(found: Agreement) -> str:
    """A number with half its interval of 95 %, a dash where it is not known."""
    if not math.isfinite(found.high):
        return "–"
    return f"{number(found.tau)} ±{number((found.high - found.low) / 2)}"


def _more(found: Study, apart: Sequence[str]) -> Mapping[str, str]:
    goal, noise = found.goals[0], " (noise)" if is_noise(found) else ""
    whole, early = leading(goal.told, early=False), leading(goal.told, early=True)
    after = (named(whole), *_figures(whole)) if whole else ("–",) * 4
    before = (named(early), f"{early.share:.0%}", *_figures(early)) if early else ("–",) * 5
    values = (
        goal.metric, f"{found.classes[0]} of {found.classes[1]}", f"{found.two_seeds.tau:.2f}{noise}",
        f"{goal.ceiling[BAND]:.2f}", *after, *before, ", ".join(apart) or "none",
    )  # fmt: skip
    return dict(zip(_MORE, values, strict=True))


def _figures(told: Told) -> tuple[str, str, str]:
    return f"{told.taus[ALL]:.2f}", f"{told.taus[BAND]:.2f}", f"{told.regret:.4g}"


def named(told: Told) -> str:
    """What was told, with its epochs."""
    return f"{told.metric}[{told.epochs}]"


def is_noise(found: Study) -> bool:
    """Whether two seeds hardly agree on the order of cells."""
    return not found.two_seeds.tau >= LEAST


def leading(told: Iterable[Told], *, early: bool) -> Told | None:
    """What orders the better half best, after whole runs or of what costs at most half of one; the best of many."""
    fitting = [t for t in told if math.isfinite(t.taus[BAND]) and (t.share <= CHEAP if early else t.whole)]
    return max(fitting, key=lambda t: t.taus[BAND], default=None)


def differing(studies: Sequence[Study]) -> dict[str, list[str]]:
    """By task the losses whose runs order cells otherwise than the usual loss's, after Holm's correction over all.

    A plus: they order them better by what is wanted; a minus: worse.
    """
    pairs = [(found.name, loss, *tested) for found in studies for loss, tested in found.goals[0].apart.items()]
    corrected = holm([p for *_, p in pairs])
    found: dict[str, list[str]] = {one.name: [] for one in studies}
    for (task, loss, gap, _), p in zip(pairs, corrected, strict=True):
        if p <= LEVEL:
            found[task].append(f"{loss} {'−' if gap.tau > 0 else '+'}{abs(gap.tau):.2f}")
    return found


def rows(studies: Sequence[Study], searches: Sequence[Searched]) -> Iterator[Row]:
    """Everything as rows: τ by band and regret of all that is told, differences, λ, and what searches found."""
    for found in studies:
        yield from _signal_rows(found)
        for goal in found.goals:
            own = goal is found.goals[0]
            for told in goal.told:
                if told.whole or (own and told.epochs in (1, found.signals["early"].epochs)):
                    yield from _told_rows(found, goal, told, own)
        for loss, (gap, p) in found.goals[0].apart.items():
            says = f"95 % {gap.low:+.2f} to {gap.high:+.2f}, p = {p:.3f}, uncorrected; above 0 the usual loss is better"
            name = f"valid_{found.judged}@{loss} against @{found.usual}"
            yield Row(name, found.name, "kendall_difference", ours=gap.tau, mark="D", verdict=says)
        for (weight, loss), (lost, size) in found.goals[0].by_lambda.items():
            says = f"chooses {size:.2f} of the median's parameters"
            name = f"valid_loss@{loss} + {weight:g}*params"
            yield Row(name, found.name, "regret_with_lambda", ours=lost, mark="D", verdict=says)
    for one in searches:
        flat = [value for values in one.regret.values() for value in values if math.isfinite(value)]
        if flat:
            says = f"mean rank {one.rank:.2f} of the losses of this table, p = {one.p:.3f} against the usual measure"
            yield Row(
                one.drive, one.table, "regret_of_search", ours=float(np.mean(flat)), ours_std=float(np.std(flat)),
                evaluations=one.cells, runs=len(flat), mark="D", verdict=says,
            )  # fmt: skip


def _signal_rows(found: Study) -> Iterator[Row]:
    goal = found.goals[0].metric
    for signal in found.signals.values():
        name, r = f"{signal.metric}[{signal.epochs}]", signal.corrected
        if math.isfinite(r.high):
            says = f"95 % {r.low:.2f} to {r.high:.2f}, with {goal} without the noise of seeds"
            yield Row(name, found.name, "correlation_corrected", ours=r.tau, mark="D", verdict=says)
        yield Row(name, found.name, "kendall_same_run", ours=signal.same_run, mark="D", verdict=f"with its own {goal}")


def _told_rows(found: Study, goal: Goal, told: Told, own: bool) -> Iterator[Row]:
    verdict = f"with the mean {goal.metric} of the other seeds"
    for band, tau in told.taus.items():
        if math.isfinite(tau) and (own or band == ALL):
            yield Row(
                named(told), found.name, band, ours=tau, mark="D", verdict=verdict, ceiling=goal.ceiling[band],
                seconds=told.seconds,
            )  # fmt: skip
    yield Row(
        named(told), found.name, f"regret_{goal.metric}", ours=told.regret, mark="D", ceiling=goal.regret,
        seconds=told.seconds, verdict=f"of the cell chosen among {DRAWN:.0%} of them",
    )  # fmt: skip


def findings(studies: Sequence[Study], searches: Sequence[Searched], again: Replication | None) -> dict[str, Any]:
    """What JSON holds of the answer: signals, contrasts, moderator, replication and mean ranks, in full."""
    told = [found for found in studies if not is_noise(found)]
    return {
        "signals": [_signals(found) for found in studies],
        "contrasts": [_contrast(one) for one in contrasts_of(told)],
        "moderator": [_contrast(one) for one in moderations_of(told)],
        "replication": _plain(asdict(again)) if again else None,
        "mean_ranks": [_ranked(one) for one in (meetings(searches) if searches else ())],
    }


def _signals(found: Study) -> dict[str, Any]:
    least, most, trainings = found.seeds
    return {
        "task": found.name, "table": found.table, "wanted": found.goals[0].metric, "epochs": found.epochs,
        "classes": found.classes[0], "classes_in_all": found.classes[1], "least_seeds": least, "most_seeds": most,
        "trainings_by_the_usual_loss": trainings, "is_noise": is_noise(found),
        "two_seeds": _plain(found.two_seeds), "ceiling": _plain(found.ceiling),
        "signals": {key: _plain(asdict(signal)) for key, signal in found.signals.items()},
    }  # fmt: skip


def _contrast(one: Contrast | Moderation) -> dict[str, Any]:
    return {**_plain(asdict(one)), "seen": one.seen, "title": TITLES[one.signal]}


def _ranked(one: Meeting) -> dict[str, Any]:
    means = {role: float(ranks.mean()) for role, ranks in one.ranks.items()}
    return {"tables": list(one.tables), "mean_ranks": _plain(means), "p": _plain(one.p),
            "detectable": _plain(one.detectable)}  # fmt: skip


def _plain(value: Any) -> Any:
    """As JSON holds it: an interval as an object, no NaN."""
    if isinstance(value, Agreement):
        return _plain({"estimate": value.tau, "low": value.low, "high": value.high})
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    return value
