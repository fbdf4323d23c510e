"""The answer as a table, as rows and as JSON, all of it computed from the studies and the searches alone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from surrogate_nas.benchmarks.making.losses.agreement import LEAST, Agreement
from surrogate_nas.papers.rows import Row, Summary
from surrogate_nas.papers.trained.contrasts import LEVEL, Contrast, Moderation, contrasts_of, moderations_of
from surrogate_nas.papers.trained.replication import Replication
from surrogate_nas.papers.trained.searched import Meeting, Searched, meetings
from surrogate_nas.papers.trained.study import DRAWN, Goal, Signal, Study, Told
from surrogate_nas.papers.trained.trainings import EARLY, MEASURE
from surrogate_nas.study.comparison.statistics import holm

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


def summary(studies: Sequence[Study]) -> Summary:
    """One line a task: τ of the signals, and the correlation without the noise of seeds.

    Args:
        studies: Of all tasks.
    """
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
    """A number as people write it; a dash where there is none.

    Args:
        value: It.
        digits: Decimals.
    """
    if not math.isfinite(value):
        return "–"
    text = f"{abs(value):.{digits}f}"
    return (
        ("−" if value < 0 and float(text) else "") + text.removeprefix("0") if abs(value) < 1 else f"{value:.{digits}f}"
    )


def about(found: Agreement) -> str:
    """A number with half its interval of 95 %, a dash where it is not known.

    Args:
        found: It.
    """
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
    """What was told, with its epochs.

    Args:
        told: It.
    """
    return f"{told.metric}[{told.epochs}]"


def is_noise(found: Study) -> bool:
    """Whether two seeds hardly agree on the order of cells.

    Args:
        found: The task.
    """
    return not found.two_seeds.tau >= LEAST


def leading(told: Iterable[Told], *, early: bool) -> Told | None:
    """What orders the better half best, after whole runs or of what costs at most half of one; the best of many.

    Args:
        told: Everything.
        early: Which.
    """
    fitting = [t for t in told if math.isfinite(t.taus[BAND]) and (t.share <= CHEAP if early else t.whole)]
    return max(fitting, key=lambda t: t.taus[BAND], default=None)


def differing(studies: Sequence[Study]) -> dict[str, list[str]]:
    """By task the losses whose runs order cells otherwise than the usual loss's, after Holm's correction over all.

    A plus: they order them better by what is wanted; a minus: worse.

    Args:
        studies: Of all tasks.
    """
    pairs = [(found.name, loss, *tested) for found in studies for loss, tested in found.goals[0].apart.items()]
    corrected = holm([p for *_, p in pairs])
    found: dict[str, list[str]] = {one.name: [] for one in studies}
    for (task, loss, gap, _), p in zip(pairs, corrected, strict=True):
        if p <= LEVEL:
            found[task].append(f"{loss} {'−' if gap.tau > 0 else '+'}{abs(gap.tau):.2f}")
    return found


def rows(studies: Sequence[Study], searches: Sequence[Searched]) -> Iterator[Row]:
    """Everything as rows: τ by band and regret of all that is told, differences, λ, and what searches found.

    Args:
        studies: Of all tasks.
        searches: Of all tasks.
    """
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
    """What JSON holds of the answer: signals, contrasts, moderator, replication and mean ranks, in full.

    Args:
        studies: Of all tasks, those that are noise too.
        searches: Of all that were searched.
        again: The replication, where its table is here.
    """
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
