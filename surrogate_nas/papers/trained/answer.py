"""The answer as a table, as rows, as JSON and in plain words, computed from the studies and the
searches alone.

In words: what was named beforehand, with what could have been seen; then what is exploratory.

The contrasts and the moderator were named before the tables were made. Three signals of the usual
loss's runs are held against the validation measure: the validation loss and the training loss at
the end, and the training loss at a fifth of the run. Each is a difference of τ (with the final
measure of the other seeds), the mean over tasks; runs of different lengths are told apart. Holm's
correction is over the three.

The moderator is how far validation loss lies above training loss at the moment of looking:
Spearman's ρ with the contrasts, over tasks and run lengths, tasks resampled with all their lengths.
It is told as found only beyond chance.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.stats import norm

from surrogate_nas.benchmarks.building.losses.agreement import LEAST, Agreement
from surrogate_nas.core.numbers import plural
from surrogate_nas.papers.common.paper import Row, Summary
from surrogate_nas.papers.common.ranks import Values
from surrogate_nas.papers.trained.orders import (
    LEVEL,
    ends,
    p_of,
    seen_from,
    spearman_of,
    tail_of,
    two_level,
)
from surrogate_nas.papers.trained.searched import (
    FEWEST_TABLES,
    TRAININGS,
    USUAL,
    Meeting,
    Searched,
    meetings,
)
from surrogate_nas.papers.trained.study import (
    CONTRASTED,
    DRAWN,
    EARLY,
    LAMBDAS,
    MEASURE,
    Reading,
    Replication,
    Signal,
    Study,
    Wanted,
)
from surrogate_nas.study.statistics import holm

OF_INTEREST = 0.05
"""A difference of τ below this is of no interest."""
FEWEST_TASKS = 5
BAND = "kendall_best_half"
"""Where losses are looked for: a search ends among the good cells, and a quarter of two hundred is
too few to tell.
"""
ALL = "kendall"
CHEAP = 0.5
TITLES = {
    MEASURE: "validation measure",
    "loss": "validation loss",
    "train": "final training loss",
    "early": f"training loss at {EARLY:.0%} of the run",
}
"""The signals in words."""
_HEADS = (
    "task",
    "wanted",
    "cells × seeds",
    "two seeds",
    "same run",
    "gap",
    "measure: τ → r",
    "valid loss: τ → r",
    "train loss: τ → r",
    f"train loss, {EARLY:.0%}: τ → r",
)
_MORE = (
    "judged by",
    "cells",
    "two seeds: τ",
    "two seeds: best half",
    "best L after whole runs",
    "its τ",
    "its best half",
    "its regret",
    f"best L for at most {CHEAP:.0%}",
    "its cost",
    "early τ",
    "early best half",
    "early regret",
    "trained otherwise: apart",
)
SHORT = 0.2
"""A run whose validation loss is at most 1.5 times its training loss has not overfitted: the gap of
the two.
"""
CLEAN = 0.85
NOISY = 0.65
"""From which τ of validation measure and test within a run what differs is mostly noise of
training, and under which that of evaluation.
"""
_WHOLE = (MEASURE, "loss", "train")


@dataclass(frozen=True)
class Contrast:
    """A signal against the validation measure, over tasks."""

    signal: str  # One of `surrogate_nas.papers.trained.study.CONTRASTED`
    length: int  # Of the runs, in usual runs
    tasks: int  # How many
    difference: float  # The mean over tasks of τ less that of the validation measure
    low: float  # Where its interval of 95 % begins
    high: float  # Where it ends
    # The larger end, whatever its sign, of the interval corrected for all three: what it surely is
    # below
    within: float
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
    # A ρ from this is seen with a power of 80 % after correction; above 1 none is
    detectable: float

    @property
    def seen(self) -> bool:
        """Whether it does beyond chance."""
        return self.corrected <= LEVEL


def contrasts_of(studies: Sequence[Study]) -> list[Contrast]:
    """The three contrasts, by run length; of lengths with at least `FEWEST_TASKS` tasks."""
    contrasts = []
    for length, group in by_length(studies).items():
        if len({one.task for one in group}) >= FEWEST_TASKS:
            contrasts += _corrected(length, group)
    return contrasts


def by_length(studies: Sequence[Study]) -> dict[int, list[Study]]:
    """Studies by the length of their runs in usual runs, 1 first."""
    usual = {one.task: one.epochs for one in studies if not one.longer}
    grouped: dict[int, list[Study]] = {}
    for one in studies:
        length = round(one.epochs / usual.get(one.task, one.epochs)) if one.longer else 1
        grouped.setdefault(length, []).append(one)
    return dict(sorted(grouped.items()))


def _corrected(length: int, studies: Sequence[Study]) -> list[Contrast]:
    resampled = {key: two_level(_of_tasks(studies, key)) for key in CONTRASTED}
    tasks = len({one.task for one in studies})
    each = {key: p_of(values, tasks) for key, values in resampled.items()}
    made = []
    for key, p in zip(CONTRASTED, holm([*each.values()]), strict=True):
        values = resampled[key]
        low, high = ends(values, tasks, LEVEL)
        within = max(map(abs, ends(values, tasks, LEVEL / len(CONTRASTED))))
        needed = seen_from(tasks, len(CONTRASTED)) * float(values[1:].std())
        made.append(
            Contrast(
                key, length, tasks, float(values[0]), low, high, within, each[key], float(p), needed
            )
        )
    return made


def _of_tasks(studies: Sequence[Study], key: str) -> Values:
    """By task, the estimate and its resamples of cells; the mean over tables of one task."""
    by_task: dict[str, list[Values]] = {}
    for one in studies:
        by_task.setdefault(one.task, []).append(one.contrasts[key])
    return np.array([np.mean(values, axis=0) for values in by_task.values()])


def moderations_of(studies: Sequence[Study]) -> list[Moderation]:
    """Whether each contrast goes with the gap, over tasks and run lengths; none of fewer than
    `FEWEST_TASKS` tasks.
    """
    tasks = [one.task for one in studies]
    if len(set(tasks)) < FEWEST_TASKS:
        return []
    correlations: dict[str, Values] = {}
    for key in CONTRASTED:
        gaps = np.array([one.signals[key].gap for one in studies])
        correlations[key] = spearman_of(
            gaps, np.array([one.contrasts[key][0] for one in studies]), tasks
        )
    p = [min(1.0, 2 * tail_of(values)) for values in correlations.values()]
    made = []
    for (key, values), raw, after in zip(correlations.items(), p, holm(p), strict=True):
        low, high = np.nanquantile(values[1:], [LEVEL / 2, 1 - LEVEL / 2])
        needed = seen_from(len(set(tasks)), len(CONTRASTED)) * float(np.nanstd(values[1:]))
        made.append(
            Moderation(
                key,
                len(studies),
                float(values[0]),
                float(low),
                float(high),
                raw,
                float(after),
                needed,
            )
        )
    return made


def summary(studies: Sequence[Study]) -> Summary:
    """One line a task: τ of the signals, and the correlation without the noise of seeds."""
    apart = differing(studies)
    return Summary(
        _HEADS,
        [_line(study) for study in studies],
        [_more(study, apart[study.name]) for study in studies],
    )


def _line(study: Study) -> tuple[str, ...]:
    noise = " (noise)" if is_noise(study) else ""
    least, most, _ = study.seeds
    return (
        study.name,
        study.judged,
        f"{study.classes[0]:,} × {least if least == most else f'{least}–{most}'}",
        f"{about(study.two_seeds)}{noise}",
        number(study.signals[MEASURE].same_run),
        number(study.signals["train"].gap),
        *(_signal_text(signal) for signal in study.signals.values()),
    )


def _signal_text(signal: Signal) -> str:
    return f"{about(signal.tau)} → {about(signal.corrected)}"


def number(value: float, digits: int = 2) -> str:
    """A number as people write it; a dash where there is none."""
    if not math.isfinite(value):
        return "–"
    text = f"{abs(value):.{digits}f}"
    return (
        ("−" if value < 0 and float(text) else "") + text.removeprefix("0")
        if abs(value) < 1
        else f"{value:.{digits}f}"
    )


def about(agreement: Agreement) -> str:
    """A number with half its interval of 95 %, a dash where it is not known."""
    if not math.isfinite(agreement.high):
        return "–"
    return f"{number(agreement.tau)} ±{number((agreement.high - agreement.low) / 2)}"


def _more(study: Study, apart: Sequence[str]) -> Mapping[str, str]:
    goal = study.goals[0]
    noise = " (noise)" if is_noise(study) else ""
    whole = leading(goal.told, early=False)
    early = leading(goal.told, early=True)
    after = (named(whole), *_figures(whole)) if whole else ("–",) * 4
    before = (named(early), f"{early.share:.0%}", *_figures(early)) if early else ("–",) * 5
    values = (
        goal.metric,
        f"{study.classes[0]} of {study.classes[1]}",
        f"{study.two_seeds.tau:.2f}{noise}",
        f"{goal.ceiling[BAND]:.2f}",
        *after,
        *before,
        ", ".join(apart) or "none",
    )
    return dict(zip(_MORE, values, strict=True))


def _figures(reading: Reading) -> tuple[str, str, str]:
    return f"{reading.taus[ALL]:.2f}", f"{reading.taus[BAND]:.2f}", f"{reading.regret:.4g}"


def named(reading: Reading) -> str:
    """What was told, with its epochs."""
    return f"{reading.metric}[{reading.epochs}]"


def is_noise(study: Study) -> bool:
    """Whether two seeds hardly agree on the order of cells."""
    return not study.two_seeds.tau >= LEAST


def leading(readings: Iterable[Reading], *, early: bool) -> Reading | None:
    """What orders the better half best, after whole runs or of what costs at most half of one; the
    best of many.
    """
    fitting = [
        t
        for t in readings
        if math.isfinite(t.taus[BAND]) and (t.share <= CHEAP if early else t.whole)
    ]
    return max(fitting, key=lambda t: t.taus[BAND], default=None)


def differing(studies: Sequence[Study]) -> dict[str, list[str]]:
    """By task the losses whose runs order cells otherwise than the usual loss's, after Holm's
    correction over all.

    A plus: they order them better by what is wanted; a minus: worse.
    """
    pairs = [
        (found.name, loss, *tested)
        for found in studies
        for loss, tested in found.goals[0].apart.items()
    ]
    corrected = holm([p for *_, p in pairs])
    found: dict[str, list[str]] = {one.name: [] for one in studies}
    for (task, loss, gap, _), p in zip(pairs, corrected, strict=True):
        if p <= LEVEL:
            found[task].append(f"{loss} {'−' if gap.tau > 0 else '+'}{abs(gap.tau):.2f}")
    return found


def rows(studies: Sequence[Study], searches: Sequence[Searched]) -> Iterator[Row]:
    """Everything as rows: τ by band and regret of all that is told, differences, λ, and what
    searches found.
    """
    for study in studies:
        yield from _signal_rows(study)
        for goal in study.goals:
            own = goal is study.goals[0]
            for reading in goal.told:
                if reading.whole or (own and reading.epochs in (1, study.signals["early"].epochs)):
                    yield from _reading_rows(study, goal, reading, own)
        for loss, (gap, p) in study.goals[0].apart.items():
            says = (
                f"95 % {gap.low:+.2f} to {gap.high:+.2f}, p = {p:.3f}, uncorrected; above 0 the"
                " usual loss is better"
            )
            name = f"valid_{study.judged}@{loss} against @{study.usual}"
            yield Row(
                name,
                study.name,
                "kendall_difference",
                ours=gap.tau,
                mark="D",
                verdict=says,
            )
        for (weight, loss), (lost, size) in study.goals[0].by_lambda.items():
            says = f"chooses {size:.2f} of the median's parameters"
            name = f"valid_loss@{loss} + {weight:g}*params"
            yield Row(
                name,
                study.name,
                "regret_with_lambda",
                ours=lost,
                mark="D",
                verdict=says,
            )
    for one in searches:
        flat = [value for values in one.regret.values() for value in values if math.isfinite(value)]
        if flat:
            says = (
                f"mean rank {one.rank:.2f} of the losses of this table, p = {one.p:.3f} against the"
                " usual measure"
            )
            yield Row(
                one.drive,
                one.table,
                "regret_of_search",
                ours=float(np.mean(flat)),
                ours_std=float(np.std(flat)),
                evaluations=one.cells,
                runs=len(flat),
                mark="D",
                verdict=says,
            )


def _signal_rows(study: Study) -> Iterator[Row]:
    goal = study.goals[0].metric
    for signal in study.signals.values():
        name = f"{signal.metric}[{signal.epochs}]"
        r = signal.corrected
        if math.isfinite(r.high):
            says = f"95 % {r.low:.2f} to {r.high:.2f}, with {goal} without the noise of seeds"
            yield Row(
                name,
                study.name,
                "correlation_corrected",
                ours=r.tau,
                mark="D",
                verdict=says,
            )
        yield Row(
            name,
            study.name,
            "kendall_same_run",
            ours=signal.same_run,
            mark="D",
            verdict=f"with its own {goal}",
        )


def _reading_rows(
    study: Study,
    goal: Wanted,
    reading: Reading,
    own: bool,
) -> Iterator[Row]:
    verdict = f"with the mean {goal.metric} of the other seeds"
    for band, tau in reading.taus.items():
        if math.isfinite(tau) and (own or band == ALL):
            yield Row(
                named(reading),
                study.name,
                band,
                ours=tau,
                mark="D",
                verdict=verdict,
                ceiling=goal.ceiling[band],
                seconds=reading.seconds,
            )
    yield Row(
        named(reading),
        study.name,
        f"regret_{goal.metric}",
        ours=reading.regret,
        mark="D",
        ceiling=goal.regret,
        seconds=reading.seconds,
        verdict=f"of the cell chosen among {DRAWN:.0%} of them",
    )


def findings(
    studies: Sequence[Study],
    searches: Sequence[Searched],
    again: Replication | None,
) -> dict[str, Any]:
    """What JSON holds of the answer: signals, contrasts, moderator, replication and mean ranks, in
    full.
    """
    clear = [study for study in studies if not is_noise(study)]
    return {
        "signals": [_signals(study) for study in studies],
        "contrasts": [_contrast(one) for one in contrasts_of(clear)],
        "moderator": [_contrast(one) for one in moderations_of(clear)],
        "replication": _plain(asdict(again)) if again else None,
        "mean_ranks": [_ranked(one) for one in (meetings(searches) if searches else ())],
    }


def _signals(study: Study) -> dict[str, Any]:
    least, most, trainings = study.seeds
    return {
        "task": study.name,
        "table": study.table,
        "wanted": study.goals[0].metric,
        "epochs": study.epochs,
        "classes": study.classes[0],
        "classes_in_all": study.classes[1],
        "least_seeds": least,
        "most_seeds": most,
        "trainings_by_the_usual_loss": trainings,
        "is_noise": is_noise(study),
        "two_seeds": _plain(study.two_seeds),
        "ceiling": _plain(study.ceiling),
        "signals": {key: _plain(asdict(signal)) for key, signal in study.signals.items()},
    }


def _contrast(one: Contrast | Moderation) -> dict[str, Any]:
    return {**_plain(asdict(one)), "seen": one.seen, "title": TITLES[one.signal]}


def _ranked(one: Meeting) -> dict[str, Any]:
    means = {role: float(ranks.mean()) for role, ranks in one.ranks.items()}
    return {
        "tables": list(one.tables),
        "mean_ranks": _plain(means),
        "p": _plain(one.p),
        "detectable": _plain(one.detectable),
    }


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


def words(
    studies: Sequence[Study],
    searches: Sequence[Searched],
    again: Replication | None = None,
) -> list[str]:
    """The answer in plain words."""
    told = [found for found in studies if not is_noise(found)]
    noise = [found.name for found in studies if is_noise(found)]
    usual = [found for found in told if not found.longer]
    lines = [
        "The table: τ of one seed's signal with the mean final measure of the other seeds, and → r,"
        " the correlation without the noise of seeds; ± is half an interval of 95 % over cells. Two"
        " seeds: τ of the final measure. Same run: τ of validation measure and test. Gap:"
        " (validation − training loss) / their sum, at the end."
    ]
    if noise:
        lines.append(
            f"Named noise, since two seeds agree with τ under {LEAST:g}: {', '.join(noise)}; left"
            " out below."
        )
    lines += [*_means(told), *_contrasts(told), *_one_quantity(told), *_moderated(told)]
    lines += [*_replicated(again), *_where_noise_is(studies)]
    lines += [
        *_trained_otherwise(usual),
        *_by_search(searches),
        *_other_goals(usual),
        *_with_lambda(usual),
    ]
    return lines


def _means(studies: Sequence[Study]) -> Iterator[str]:
    for length, group in by_length(studies).items():
        if len(group) > 1:
            each = {
                key: two_level(np.array([one.taus[key] for one in group]))
                for key in (*TITLES, "goal")
            }
            said = {
                key: number(v[0]) + _between(*ends(v, len(group), LEVEL)) for key, v in each.items()
            }
            listed = ", ".join(f"{title} {said[key]}" for key, title in TITLES.items())
            yield (
                f"Mean τ over {len(group)} tasks{_of(length)}: {listed}. The final measure itself:"
                f" {said['goal']}."
            )


def _of(length: int) -> str:
    return "" if length == 1 else f", runs {length} times as long"


def _between(low: float, high: float, digits: int = 2) -> str:
    return f" [{number(low, digits)}, {number(high, digits)}]"


def _signed(value: float, digits: int = 3) -> str:
    return f"{'+' if value > 0 else ''}{number(value, digits)}"


def _contrasts(studies: Sequence[Study]) -> Iterator[str]:
    for one in contrasts_of(studies):
        seen = f"from {number(one.detectable, 3)} it would be seen (power 80 %, corrected)"
        if one.seen:
            says = (
                f"{'better' if one.difference > 0 else 'worse'} (p = {one.corrected:.3f} after"
                " Holm)"
            )
        elif one.negligible:
            says = f"smaller than the {number(OF_INTEREST)} that is of interest; {seen}"
        else:
            says = f"not seen (p = {one.corrected:.2f} after Holm); {seen}"
        yield (
            f"{TITLES[one.signal].capitalize()} − validation measure{_of(one.length)}:"
            f" {_signed(one.difference)}{_between(one.low, one.high, 3)}, {says}."
        )


def _one_quantity(studies: Sequence[Study]) -> Iterator[str]:
    short = [one for one in studies if abs(one.signals["train"].gap) <= SHORT]
    if not short:
        return
    quartiles = {
        key: np.nanquantile([one.signals[key].corrected.tau for one in short], [0.5, 0.25, 0.75])
        for key in _WHOLE
    }
    listed = ", ".join(
        f"{TITLES[key]} {number(mid)}{_between(low, high)}"
        for key, (mid, low, high) in quartiles.items()
    )
    others = [one.name for one in studies if one not in short]
    left = f" ({', '.join(others)} left out)" if others else ""
    alike = all(abs(mid - 1) <= OF_INTEREST for mid, _, _ in quartiles.values())
    verdict = "these runs cannot tell them apart, longer ones may" if alike else "they differ"
    yield (
        f"Runs too short to overfit, {len(short)} of {len(studies)}{left}: without noise the final"
        f" measure's correlation with {listed} (median and middle half): {verdict}."
    )


def _moderated(studies: Sequence[Study]) -> Iterator[str]:
    moderations = moderations_of(studies)
    if not moderations:
        return
    listed = "; ".join(
        f"{TITLES[one.signal]} {_signed(one.rho, 2)}{_between(one.low, one.high)}"
        + (f", p = {one.corrected:.3f} after Holm" if one.seen else "")
        for one in moderations
    )
    needed = [one.detectable for one in moderations if not one.seen]
    verdict = (
        "found where p is told"
        if any(one.seen for one in moderations)
        else "a hypothesis still, not seen here"
    )
    if needed:
        verdict += (
            f"; power 80 % needs a ρ of {number(min(needed))}"
            if min(needed) < 1
            else "; no ρ has 80 % power"
        )
    yield (
        "Moderator (gap between validation and training loss, Spearman's ρ with the contrast,"
        f" {moderations[0].tables} tasks and lengths): {listed}: {verdict}."
    )


def _replicated(again: Replication | None) -> Iterator[str]:
    if again is None:
        return
    last, soon = again.epochs
    taus = {key: number(one.tau, 3) for key, one in again.taus.items()}
    gaps = {
        key: f"{_signed(one.tau)}{_between(one.low, one.high, 3)}"
        for key, one in again.differences.items()
    }
    verdict = (
        "decided"
        if again.differences["train"].low > 0 or again.differences["train"].high < 0
        else "undecided"
    )
    yield (
        f"`{again.table}` ({again.classes:,} classes × {again.seeds} seeds, τ with another seed's"
        f" test error): training loss {taus['train']}, validation loss {taus['loss']}, validation"
        f" error {taus['measure']}. Training loss − error {gaps['train']}: {verdict}; validation"
        f" loss − error {gaps['loss']}."
    )
    r = ", ".join(number(again.corrected[key].tau) for key in ("train", "loss", "measure"))
    early = again.differences["early"]
    alike = max(-early.low, early.high) < OF_INTEREST
    within = "are within" if alike else "are not shown to be within"
    yield (
        f"Without noise all three correlate with that goal alike (r {r}); the training loss has"
        f" less noise. {soon} epochs of training loss {within} {number(OF_INTEREST)} of the whole"
        f" run's error ({gaps['early']}) at {soon / last:.0%} of the cost. Its τ with its own run's"
        f" test, {number(again.same_run['early'], 3)}, is that run's noise: with another run's it"
        f" is {taus['early']}."
    )


def _where_noise_is(studies: Sequence[Study]) -> Iterator[str]:
    def listed(held: Sequence[Study]) -> str:
        return ", ".join(f"{one.name} {number(one.signals[MEASURE].same_run)}" for one in held)

    ordered = sorted(studies, key=lambda one: -one.signals[MEASURE].same_run)
    clean = [one for one in ordered if one.signals[MEASURE].same_run >= CLEAN]
    noisy = [one for one in ordered if not one.signals[MEASURE].same_run > NOISY]
    if clean:
        yield (
            f"Noise of training: validation and test of one run agree (τ from {number(CLEAN)}), so"
            f" what two seeds differ by takes more seeds: {listed(clean)}."
        )
    if noisy:
        yield (
            f"Evaluation: they do not (τ up to {number(NOISY)}), so larger splits or more episodes"
            f" come first: {listed(noisy)}."
        )


def _trained_otherwise(usual: Sequence[Study]) -> Iterator[str]:
    apart = differing(usual)
    gaps = [gap for found in usual for gap, _ in found.goals[0].apart.values()]
    if not gaps:
        return
    spread = float(np.nanmedian([_spread(gap) for gap in gaps]))
    said = "; ".join(f"{task}: {', '.join(losses)}" for task, losses in apart.items() if losses)
    many = sum(map(len, apart.values()))
    yield (
        f"Trained by another loss, {many} of {len(gaps)} pairs of task and loss order cells"
        " otherwise than the usual loss does (Holm over"
        f" all{f': {said}; τ lost −, gained +' if said else ''}). Not seen in the others; with a"
        f" power of 80 % a difference is seen from {number(spread * seen_from(math.inf), 3)} in one"
        f" pair, from {number(spread * seen_from(math.inf, len(gaps)), 3)} after correction (median"
        " pair)."
    )


def _spread(agreement: Agreement) -> float:
    """The standard error behind an interval."""
    return (agreement.high - agreement.low) / 2 / float(norm.isf(LEVEL / 2))


def _by_search(searches: Sequence[Searched]) -> Iterator[str]:
    if not searches:
        return
    many = len(searches[0].regret)
    runs = len(next(iter(searches[0].regret.values())))
    yield (
        f"Searches ({TRAININGS} whole runs' worth of seconds, {many} strategies, {runs} runs) see"
        " one seed and are judged by the mean test of the others; ranks are over the same tables."
    )
    few = []
    for one in meetings(searches):
        if len(one.tables) < FEWEST_TABLES:
            few += [
                role.removeprefix("validation loss of ")
                for role in one.ranks
                if not role.startswith("usual")
            ]
            continue
        means = {role: float(ranks.mean()) for role, ranks in one.ranks.items()}
        ordered = sorted(means, key=lambda role: means[role])
        listed = ", ".join(f"{role} {means[role]:.2f}{_marked(one.p[role])}" for role in ordered)
        seen = [role for role in ordered if one.p[role] <= LEVEL]
        hidden = min(
            (p for role, p in one.p.items() if role != USUAL and p > LEVEL), default=math.nan
        )
        verdict = "none is shown to differ"
        if seen:
            verdict = f"{plural(len(seen), 'signal')} shown to differ from the {USUAL} (p given)"
        if math.isfinite(hidden):
            verdict += f" (p ≥ {hidden:.2f} after Holm)" if not seen else ""
            verdict += (
                f"; from {one.detectable:.1f} ranks one would be seen (power 80 %, corrected)"
            )
        yield (
            f"Mean ranks over the same {len(one.tables)} tables, of {len(means)}: {listed}:"
            f" {verdict}."
        )
    if few:
        yield f"On fewer than {FEWEST_TABLES} tables, so not ranked: {', '.join(few)}."


def _marked(p: float) -> str:
    return f" (p = {p:.3f})" if p <= LEVEL else ""


def _other_goals(usual: Sequence[Study]) -> Iterator[str]:
    """For other measures than a task's own: does searching on that measure itself pay?"""
    said = []
    for measure in dict.fromkeys(
        goal.metric.partition("@")[0] for found in usual for goal in found.goals[1:]
    ):
        pairs = []
        for found in usual:
            for goal in found.goals[1:]:
                if goal.metric.partition("@")[0] == measure:
                    name = measure.replace("test_", "valid_")
                    whole = {t.metric: t.taus[ALL] for t in goal.told if t.whole}
                    own = whole.get(f"valid_{found.judged}@{found.usual}", math.nan)
                    pairs.append(
                        (whole.get(f"{name}@{found.usual}", math.nan), own, goal.ceiling[ALL])
                    )
        itself, judged, ceiling = np.nanmean(np.array(pairs), axis=0)
        named = measure.removeprefix("test_").replace("_", " ")
        said.append(
            f"{named} {number(itself)} / {number(judged)} / {number(ceiling)} ({len(pairs)})"
        )
    if said:
        yield (
            "Exploratory, not tested: if another measure is wanted, τ of its own validation value"
            f" / of the task's measure / of two seeds (tasks): {'; '.join(said)}."
        )


def _with_lambda(usual: Sequence[Study]) -> Iterator[str]:
    held = [found for found in usual if found.goals[0].by_lambda]
    if not held:
        return
    parts = []
    for weight in LAMBDAS:
        sizes = [
            [size for (w, _), (_, size) in f.goals[0].by_lambda.items() if w == weight]
            for f in held
        ]
        spread = np.mean([max(size) - min(size) for size in sizes])
        parts.append(
            f"λ {weight:g}: {np.mean([np.mean(size) for size in sizes]):.2f} (±{spread / 2:.2f})"
        )
    yield (
        "λ acts through the unit of L: at one λ, losses of different units choose cells of"
        " different size. Parameters chosen, over the median's, mean over tasks and half the range"
        f" over losses: {'; '.join(parts)}."
    )
