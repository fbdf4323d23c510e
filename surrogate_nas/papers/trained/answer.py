"""The answer in a table, in rows and in words, all of them computed from the studies and the searches alone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from surrogate_nas.comparison.statistics import holm
from surrogate_nas.making.losses.agreement import LEAST
from surrogate_nas.papers.rows import Row, Summary
from surrogate_nas.papers.trained.searched import TRAININGS, Searched
from surrogate_nas.papers.trained.study import DRAWN, LAMBDAS, Goal, Study, Told

BAND = "kendall_best_half"
"""Where losses are compared: a search ends among the good cells, and a quarter of two hundred is too few to tell."""
ALL = "kendall"
EARLY = 0.5
LEVEL = 0.05
_HEADS = (
    "task", "judged by", "cells", "two seeds: τ", "two seeds: best half", "best L after whole runs", "its τ",
    "its best half", "its regret", f"best L for at most {EARLY:.0%}", "its cost", "early τ", "early best half",
    "early regret", "trained otherwise: apart",
)  # fmt: skip


def summary(studies: Sequence[Study]) -> Summary:
    """One line a task.

    Args:
        studies: Of all tasks.
    """
    apart = differing(studies)
    return Summary(_HEADS, [_line(found, apart[found.task]) for found in studies])


def _line(found: Study, apart: Sequence[str]) -> tuple[str, ...]:
    goal, noise = found.goals[0], " (noise)" if is_noise(found.goals[0]) else ""
    whole, early = leading(goal.told, early=False), leading(goal.told, early=True)
    after = (named(whole), *_figures(whole)) if whole else ("–",) * 4
    before = (named(early), f"{early.share:.0%}", *_figures(early)) if early else ("–",) * 5
    return (
        found.task, goal.metric, f"{found.classes[0]} of {found.classes[1]}", f"{goal.ceiling[ALL]:.2f}{noise}",
        f"{goal.ceiling[BAND]:.2f}", *after, *before, ", ".join(apart) or "none",
    )  # fmt: skip


def _figures(told: Told) -> tuple[str, str, str]:
    return f"{told.taus[ALL]:.2f}", f"{told.taus[BAND]:.2f}", f"{told.regret:.4g}"


def named(told: Told) -> str:
    """What was told, with its epochs.

    Args:
        told: It.
    """
    return f"{told.metric}[{told.epochs}]"


def is_noise(goal: Goal) -> bool:
    """Whether two seeds hardly agree on the order of cells.

    Args:
        goal: What is wanted.
    """
    return not goal.ceiling[ALL] >= LEAST


def leading(told: Iterable[Told], *, early: bool) -> Told | None:
    """What orders the better half best, after whole runs or of what costs at most half of one.

    Args:
        told: Everything.
        early: Which.
    """
    fitting = [t for t in told if math.isfinite(t.taus[BAND]) and (t.share <= EARLY if early else t.whole)]
    return max(fitting, key=lambda t: t.taus[BAND], default=None)


def differing(studies: Sequence[Study]) -> dict[str, list[str]]:
    """By task the losses whose runs order cells otherwise than the usual loss's, after Holm's correction over all.

    A plus: they order them better by what is wanted; a minus: worse.

    Args:
        studies: Of all tasks.
    """
    pairs = [(found.task, loss, *tested) for found in studies for loss, tested in found.goals[0].apart.items()]
    corrected = holm([p for *_, p in pairs])
    found: dict[str, list[str]] = {one.task: [] for one in studies}
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
        for goal in found.goals:
            own = goal is found.goals[0]
            for told in goal.told:
                if told.whole or (own and told.epochs == 1):
                    yield from _told_rows(found, goal, told, own)
        for loss, (gap, p) in found.goals[0].apart.items():
            says = f"95 % {gap.low:+.2f} to {gap.high:+.2f}, p = {p:.3f}, uncorrected; above 0 the usual loss is better"
            name = f"valid_{found.judged}@{loss} against @{found.usual}"
            yield Row(name, found.task, "kendall_difference", ours=gap.tau, mark="D", verdict=says)
        for (weight, loss), (lost, size) in found.goals[0].by_lambda.items():
            says = f"chooses {size:.2f} of the median's parameters"
            name = f"valid_loss@{loss} + {weight:g}*params"
            yield Row(name, found.task, "regret_with_lambda", ours=lost, mark="D", verdict=says)
    for one in searches:
        flat = [value for values in one.regret.values() for value in values]
        says = f"mean rank {one.rank:.2f} of the losses of this table, p = {one.p:.3f} against the usual measure"
        yield Row(
            one.drive, one.table, "regret_of_search", ours=float(np.mean(flat)), ours_std=float(np.std(flat)),
            evaluations=one.cells, runs=len(flat), mark="D", verdict=says,
        )  # fmt: skip


def _told_rows(found: Study, goal: Goal, told: Told, own: bool) -> Iterator[Row]:
    verdict = f"with {goal.metric} of another seed"
    for band, tau in told.taus.items():
        if math.isfinite(tau) and (own or band == ALL):
            yield Row(
                named(told), found.task, band, ours=tau, mark="D", verdict=verdict, ceiling=goal.ceiling[band],
                seconds=told.seconds,
            )  # fmt: skip
    yield Row(
        named(told), found.task, f"regret_{goal.metric}", ours=told.regret, mark="D", ceiling=goal.regret,
        seconds=told.seconds, verdict=f"of the cell chosen among {DRAWN:.0%} of them",
    )  # fmt: skip


def words(studies: Sequence[Study], searches: Sequence[Searched]) -> list[str]:
    """The answer in plain words.

    Args:
        studies: Of all tasks, at least one.
        searches: Of all tasks.
    """
    told = [found for found in studies if not is_noise(found.goals[0])]
    noise = [found.task for found in studies if is_noise(found.goals[0])]
    lines = [*_early_or_late(told), *_trained_otherwise(told), *_other_goals(told), *_with_lambda(told)]
    lines += _by_search(searches, {found.table for found in told})
    if noise:
        lines.append(f"Named noise, since two seeds agree with τ under {LEAST:g}: {', '.join(noise)}; left out above.")
    return [*lines, *_would_change(told)]


def _early_or_late(told: Sequence[Study]) -> Iterator[str]:
    ends, firsts, losses = [], [], []
    for found in told:
        by = {named(t): t for t in found.goals[0].told}
        usual = [t for t in by.values() if t.metric == f"valid_{found.judged}@{found.usual}" and t.whole]
        first, end = by.get(f"train_loss@{found.usual}[1]"), next(iter(usual), None)
        loss = next((t for t in by.values() if t.metric == f"valid_loss@{found.usual}" and t.whole), None)
        if first and end and loss:
            firsts.append((first.taus[ALL], first.share, first.regret))
            ends.append((end.taus[ALL], end.share, end.regret))
            losses.append((loss.taus[ALL], loss.share, loss.regret))
    if not ends:
        return
    (a, _, _), (b, _, _), (c, share, _) = (np.mean(kind, axis=0) for kind in (ends, losses, firsts))
    ahead = sum(x[0] > y[0] for x, y in zip(losses, ends, strict=True))
    yield (
        f"After a whole run, over {len(ends)} tasks: the validation measure that judges a task orders its cells with "
        f"a mean τ of {a:.2f}, the validation loss with {b:.2f} (it is ahead on {ahead}); the training loss of the "
        f"first epoch alone with {c:.2f}, for {share:.0%} of the cost."
    )


def _trained_otherwise(told: Sequence[Study]) -> Iterator[str]:
    apart = differing(told)
    pairs = sum(len(found.goals[0].apart) for found in told)
    many = sum(map(len, apart.values()))
    said = "; ".join(f"{task}: {', '.join(losses)}" for task, losses in apart.items() if losses)
    yield (
        f"Trained by another loss, {many} of {pairs} pairs of task and loss order cells otherwise than the usual loss "
        f"does beyond what a seed does (bootstrap over cells, Holm over all pairs, {LEVEL:.0%})"
        + (f": {said} (τ lost −, gained +)." if said else ".")
    )


def _other_goals(told: Sequence[Study]) -> Iterator[str]:
    """For other measures than a task's own: does searching on that measure itself pay?"""
    for measure in dict.fromkeys(goal.metric.partition("@")[0] for found in told for goal in found.goals[1:]):
        pairs = []
        for found in told:
            for goal in found.goals[1:]:
                if goal.metric.partition("@")[0] == measure:
                    name = measure.replace("test_", "valid_")
                    whole = {t.metric: t.taus[ALL] for t in goal.told if t.whole}
                    own = whole.get(f"valid_{found.judged}@{found.usual}", math.nan)
                    pairs.append((whole.get(f"{name}@{found.usual}", math.nan), own, goal.ceiling[ALL]))
        itself, judged, ceiling = np.nanmean(np.array(pairs), axis=0)
        yield (
            f"If {measure} is wanted ({len(pairs)} task{'s' * (len(pairs) > 1)}): its own validation value orders "
            f"cells with τ {itself:.2f}, the measure that judges the task with {judged:.2f}; two seeds agree with "
            f"{ceiling:.2f}."
        )


def _with_lambda(told: Sequence[Study]) -> Iterator[str]:
    held = [found for found in told if found.goals[0].by_lambda]
    if not held:
        return
    parts = []
    for weight in LAMBDAS:
        sizes = [[size for (w, _), (_, size) in f.goals[0].by_lambda.items() if w == weight] for f in held]
        spread = np.mean([max(size) - min(size) for size in sizes])
        parts.append(f"λ {weight:g}: {np.mean([np.mean(size) for size in sizes]):.2f} (±{spread / 2:.2f})")
    yield (
        "λ acts through the unit of L: at one λ, losses of different units choose cells of different size. Parameters "
        f"chosen, over the median's, mean over tasks and half the range over losses: {'; '.join(parts)}."
    )


def _by_search(searches: Sequence[Searched], tables: Iterable[str]) -> Iterator[str]:
    tables = set(tables)
    roles: dict[str, list[tuple[float, bool]]] = {}
    for one in searches:
        if one.table in tables:
            roles.setdefault(role_of(one, searches), []).append((one.rank, one.p <= LEVEL))
    ordered = sorted(roles.items(), key=lambda item: float(np.mean([rank for rank, _ in item[1]])))
    if ordered:
        many, runs = len(searches[0].regret), len(next(iter(searches[0].regret.values())))
        listed = "; ".join(
            f"{role} {np.mean([rank for rank, _ in held]):.2f} ({sum(p for _, p in held)} of {len(held)} tell it from "
            "the usual measure)"
            for role, held in ordered
        )
        yield (
            f"In search, at equal seconds ({TRAININGS} whole runs' worth, {many} strategies, {runs} runs each), mean "
            f"rank by the final test among the losses of a table: {listed}."
        )


def role_of(one: Searched, searches: Sequence[Searched]) -> str:
    """What a loss is beside the table's usual one, so that tables meet.

    Args:
        one: A loss that searches were driven by.
        searches: All of them; the first of a table is driven by its usual validation measure.
    """
    first = next(other for other in searches if other.table == one.table)
    usual = first.drive.partition("@")[2]
    metric, _, loss = one.drive.partition("@")
    if one is first:
        return "usual validation measure"
    named_loss = loss.partition("[")[0]
    early = " of the first epoch" if "[1]" in loss else ""
    return f"usual {metric.replace('_', ' ')}{early}" if named_loss == usual else f"validation loss of {named_loss}"


def _would_change(told: Sequence[Study]) -> Iterator[str]:
    fewest = min((found.classes[0] for found in told), default=0)
    widths = [(gap.high - gap.low) / 2 for found in told for gap, _ in found.goals[0].apart.values()]
    seen = f"{np.nanmedian(widths):.2f}" if widths else "any size"
    yield (
        f"What would change this: the orders of two losses are told apart on {fewest} or more cells of two seeds a "
        f"task, so that a difference of τ below about {seen} cannot be seen; runs are short (seconds a cell): longer "
        "ones may bring validation loss and error further apart, as over-confident networks do on NAS-Bench-201; and "
        "the final network is trained by the task's usual loss, by whose test it is judged."
    )
