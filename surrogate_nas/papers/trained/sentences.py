"""The answer in plain words: what was named beforehand, with what could have been seen; then what is exploratory."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from scipy.stats import norm

from surrogate_nas.benchmarks.making.losses.agreement import LEAST, Agreement
from surrogate_nas.papers.trained.answer import (
    ALL,
    OF_INTEREST,
    TITLES,
    by_length,
    contrasts_of,
    differing,
    is_noise,
    moderations_of,
    number,
)
from surrogate_nas.papers.trained.orders import LEVEL, ends, seen_from, two_level
from surrogate_nas.papers.trained.searched import FEWEST_TABLES, TRAININGS, USUAL, Searched, meetings
from surrogate_nas.papers.trained.study import LAMBDAS, MEASURE, Replication, Study

SHORT = 0.2
"""A run whose validation loss is at most 1.5 times its training loss has not overfitted: the gap of the two."""
CLEAN, NOISY = 0.85, 0.65
"""From which τ of validation measure and test within a run the noise is mostly luck, and under which evaluation."""
_WHOLE = (MEASURE, "loss", "train")


def words(studies: Sequence[Study], searches: Sequence[Searched], again: Replication | None = None) -> list[str]:
    """The answer in plain words."""
    told = [found for found in studies if not is_noise(found)]
    noise = [found.name for found in studies if is_noise(found)]
    usual = [found for found in told if not found.longer]
    lines = [
        "The table: τ of one seed's signal with the mean final measure of the other seeds, and → r, the correlation "
        "without the noise of seeds; ± is half an interval of 95 % over cells. Two seeds: τ of the final measure. Same "
        "run: τ of validation measure and test. Gap: (validation − training loss) / their sum, at the end."
    ]
    if noise:
        lines.append(f"Named noise, since two seeds agree with τ under {LEAST:g}: {', '.join(noise)}; left out below.")
    lines += [*_means(told), *_contrasts(told), *_one_quantity(told), *_moderated(told)]
    lines += [*_replicated(again), *_where_noise_is(studies)]
    lines += [*_trained_otherwise(usual), *_by_search(searches), *_other_goals(usual), *_with_lambda(usual)]
    return lines


def _means(told: Sequence[Study]) -> Iterator[str]:
    for length, held in by_length(told).items():
        if len(held) > 1:
            each = {key: two_level(np.array([one.taus[key] for one in held])) for key in (*TITLES, "goal")}
            said = {key: number(v[0]) + _between(*ends(v, len(held), LEVEL)) for key, v in each.items()}
            listed = ", ".join(f"{title} {said[key]}" for key, title in TITLES.items())
            yield f"Mean τ over {len(held)} tasks{_of(length)}: {listed}. The final measure itself: {said['goal']}."


def _of(length: int) -> str:
    return "" if length == 1 else f", runs {length} times as long"


def _between(low: float, high: float, digits: int = 2) -> str:
    return f" [{number(low, digits)}, {number(high, digits)}]"


def _signed(value: float, digits: int = 3) -> str:
    return f"{'+' if value > 0 else ''}{number(value, digits)}"


def _contrasts(told: Sequence[Study]) -> Iterator[str]:
    for one in contrasts_of(told):
        seen = f"from {number(one.detectable, 3)} it would be seen (power 80 %, corrected)"
        if one.seen:
            says = f"{'better' if one.difference > 0 else 'worse'} (p = {one.corrected:.3f} after Holm)"
        elif one.negligible:
            says = f"smaller than the {number(OF_INTEREST)} that is of interest; {seen}"
        else:
            says = f"not seen (p = {one.corrected:.2f} after Holm); {seen}"
        yield (
            f"{TITLES[one.signal].capitalize()} − validation measure{_of(one.length)}: {_signed(one.difference)}"
            f"{_between(one.low, one.high, 3)}, {says}."
        )


def _one_quantity(told: Sequence[Study]) -> Iterator[str]:
    short = [one for one in told if abs(one.signals["train"].gap) <= SHORT]
    if not short:
        return
    quartiles = {
        key: np.nanquantile([one.signals[key].corrected.tau for one in short], [0.5, 0.25, 0.75]) for key in _WHOLE
    }
    listed = ", ".join(
        f"{TITLES[key]} {number(mid)}{_between(low, high)}" for key, (mid, low, high) in quartiles.items()
    )
    others = [one.name for one in told if one not in short]
    left = f" ({', '.join(others)} left out)" if others else ""
    alike = all(abs(mid - 1) <= OF_INTEREST for mid, _, _ in quartiles.values())
    verdict = "they are one quantity, which only longer runs can split" if alike else "they are not one quantity"
    yield (
        f"Runs too short to overfit, {len(short)} of {len(told)}{left}: without noise the final measure's correlation "
        f"with {listed} (median and middle half): {verdict}."
    )


def _moderated(told: Sequence[Study]) -> Iterator[str]:
    found = moderations_of(told)
    if not found:
        return
    listed = "; ".join(
        f"{TITLES[one.signal]} {_signed(one.rho, 2)}{_between(one.low, one.high)}"
        + (f", p = {one.corrected:.3f} after Holm" if one.seen else "")
        for one in found
    )
    needed = [one.detectable for one in found if not one.seen]
    verdict = "found where p is told" if any(one.seen for one in found) else "a hypothesis still, not seen here"
    if needed:
        verdict += f"; power 80 % needs a ρ of {number(min(needed))}" if min(needed) < 1 else "; no ρ has 80 % power"
    yield (
        f"Moderator (gap between validation and training loss, Spearman's ρ with the contrast, {found[0].tables} tasks "
        f"and lengths): {listed}: {verdict}."
    )


def _replicated(again: Replication | None) -> Iterator[str]:
    if again is None:
        return
    last, soon = again.epochs
    taus = {key: number(one.tau, 3) for key, one in again.taus.items()}
    gaps = {key: f"{_signed(one.tau)}{_between(one.low, one.high, 3)}" for key, one in again.differences.items()}
    verdict = "decided" if again.differences["train"].low > 0 or again.differences["train"].high < 0 else "undecided"
    yield (
        f"`{again.table}` ({again.classes:,} classes × {again.seeds} seeds, τ with another seed's test error): "
        f"training loss {taus['train']}, validation loss {taus['loss']}, validation error {taus['measure']}. "
        f"Training loss − error {gaps['train']}: {verdict}; validation loss − error {gaps['loss']}."
    )
    r = ", ".join(number(again.corrected[key].tau) for key in ("train", "loss", "measure"))
    early = again.differences["early"]
    alike = max(-early.low, early.high) < OF_INTEREST
    yield (
        f"There too they are one quantity without noise (r {r}): the training loss has less luck in it. {soon} epochs "
        f"of training loss {'equal' if alike else 'are not shown to equal'} the whole run's error ({gaps['early']}) at "
        f"{soon / last:.0%} of the cost. Its τ with its own run's test, {number(again.same_run['early'], 3)}, is that "
        f"run's luck: with another run's it is {taus['early']}."
    )


def _where_noise_is(studies: Sequence[Study]) -> Iterator[str]:
    def listed(held: Sequence[Study]) -> str:
        return ", ".join(f"{one.name} {number(one.signals[MEASURE].same_run)}" for one in held)

    ordered = sorted(studies, key=lambda one: -one.signals[MEASURE].same_run)
    clean = [one for one in ordered if one.signals[MEASURE].same_run >= CLEAN]
    noisy = [one for one in ordered if not one.signals[MEASURE].same_run > NOISY]
    if clean:
        yield (
            f"Luck of training: validation and test of one run agree (τ from {number(CLEAN)}), so what two seeds "
            f"differ by takes more seeds: {listed(clean)}."
        )
    if noisy:
        yield (
            f"Evaluation: they do not (τ up to {number(NOISY)}), so larger splits or more episodes come first: "
            f"{listed(noisy)}."
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
        f"Trained by another loss, {many} of {len(gaps)} pairs of task and loss order cells otherwise than the usual "
        f"loss does (Holm over all{f': {said}; τ lost −, gained +' if said else ''}). Not seen in the others; with a "
        f"power of 80 % a difference is seen from {number(spread * seen_from(math.inf), 3)} in one pair, from "
        f"{number(spread * seen_from(math.inf, len(gaps)), 3)} after correction (median pair)."
    )


def _spread(found: Agreement) -> float:
    """The standard error behind an interval."""
    return (found.high - found.low) / 2 / float(norm.isf(LEVEL / 2))


def _by_search(searches: Sequence[Searched]) -> Iterator[str]:
    if not searches:
        return
    many, runs = len(searches[0].regret), len(next(iter(searches[0].regret.values())))
    yield (
        f"Searches ({TRAININGS} whole runs' worth of seconds, {many} strategies, {runs} runs) see one seed and are "
        "judged by the mean test of the others; ranks are over the same tables."
    )
    few = []
    for one in meetings(searches):
        if len(one.tables) < FEWEST_TABLES:
            few += [role.removeprefix("validation loss of ") for role in one.ranks if not role.startswith("usual")]
            continue
        means = {role: float(ranks.mean()) for role, ranks in one.ranks.items()}
        ordered = sorted(means, key=lambda role: means[role])
        listed = ", ".join(f"{role} {means[role]:.2f}{_marked(one.p[role])}" for role in ordered)
        seen = [role for role in ordered if one.p[role] <= LEVEL]
        hidden = min((p for role, p in one.p.items() if role != USUAL and p > LEVEL), default=math.nan)
        verdict = f"{len(seen)} differ{'s' * (len(seen) == 1)} from the {USUAL} (p told)" if seen else "no difference"
        if math.isfinite(hidden):
            verdict += f" (p ≥ {hidden:.2f} after Holm)" if not seen else ""
            verdict += f"; from {one.detectable:.1f} ranks one would be seen (power 80 %, corrected)"
        yield f"Mean ranks over the same {len(one.tables)} tables, of {len(means)}: {listed}: {verdict}."
    if few:
        yield f"On fewer than {FEWEST_TABLES} tables, so not ranked: {', '.join(few)}."


def _marked(p: float) -> str:
    return f" (p = {p:.3f})" if p <= LEVEL else ""


def _other_goals(usual: Sequence[Study]) -> Iterator[str]:
    """For other measures than a task's own: does searching on that measure itself pay?"""
    said = []
    for measure in dict.fromkeys(goal.metric.partition("@")[0] for found in usual for goal in found.goals[1:]):
        pairs = []
        for found in usual:
            for goal in found.goals[1:]:
                if goal.metric.partition("@")[0] == measure:
                    name = measure.replace("test_", "valid_")
                    whole = {t.metric: t.taus[ALL] for t in goal.told if t.whole}
                    own = whole.get(f"valid_{found.judged}@{found.usual}", math.nan)
                    pairs.append((whole.get(f"{name}@{found.usual}", math.nan), own, goal.ceiling[ALL]))
        itself, judged, ceiling = np.nanmean(np.array(pairs), axis=0)
        named = measure.removeprefix("test_").replace("_", " ")
        said.append(f"{named} {number(itself)} / {number(judged)} / {number(ceiling)} ({len(pairs)})")
    if said:
        yield (
            "Exploratory, not tested: if another measure is wanted, τ of its own validation value / of the task's "
            f"measure / of two seeds (tasks): {'; '.join(said)}."
        )


def _with_lambda(usual: Sequence[Study]) -> Iterator[str]:
    held = [found for found in usual if found.goals[0].by_lambda]
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
