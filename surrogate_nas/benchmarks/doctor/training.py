"""What trainings say: the ceiling that seeds set, epochs on the way, ties."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations

import numpy as np

from surrogate_nas.benchmarks.doctor.case import BINS, FEW_VALUES, FEWEST, Case, Column, down
from surrogate_nas.benchmarks.doctor.findings import Finding, Level, percent, short, span
from surrogate_nas.surrogates.evaluation import noise_ceiling
from surrogate_nas.tables import CLASS_METRIC, ColumnKey, Values

_SEEDS_DISAGREE = 0.5
"""τ of two seeds below which three of four comparisons of cells or fewer would be repeated by
another seed.
"""
_NOTHING = 0.1
"""|τ| below which an early epoch says nothing of the last."""
_SAYS = 0.8
"""τ from which on an epoch says most of what the last one does."""
_SHOWN_EPOCHS = 8


def seed_agreement(case: Case) -> Iterator[Finding]:
    """The ceiling that training noise sets for any order of the cells."""
    taus: dict[str, float] = {}
    for column in case.sound:
        seeds = _seeds(case, column)
        if not column.metric.is_loss or len(seeds) < 2:
            continue
        yield from _equal_seeds(column, seeds)
        pairs = combinations(seeds.values(), 2)
        finite = [tau for pair in pairs if math.isfinite(tau := case.tau(*pair))]
        if finite:
            taus[column.name] = float(np.mean(finite))
        if case.main is column:
            yield from _lead(column, np.array(list(seeds.values())))
    low = [name for name, tau in taus.items() if tau < _SEEDS_DISAGREE]
    others = [name for name in taus if name not in low]
    levels: tuple[tuple[Level, list[str]], ...] = (("warning", low), ("note", others))
    for level, names in levels:
        if names:
            agreed = [taus[name] for name in names]
            text = f"two seeds agree with τ {span(agreed)}: the ceiling of what one training says"
            yield Finding(level, "noise", tuple(names), text, {"tau": min(agreed)})
    if case.main is not None and not taus:
        yield from _isomorphic(case, case.main)


def _seeds(case: Case, column: Column) -> dict[int, Values]:
    """The columns of single seeds behind a column of means."""
    run = column.metric.name, column.epochs
    keys = {}
    for key in case.table.keys:
        if key[:2] == run and key.seed != "mean":
            keys[int(key.seed)] = key
    return {seed: case.table.column(keys[seed]) for seed in sorted(keys)}


def _equal_seeds(column: Column, seeds: dict[int, Values]) -> Iterator[Finding]:
    """Seeds with the same values for all cells, which are one training."""
    for (one, first), (two, second) in combinations(seeds.items(), 2):
        both = np.isfinite(first) & np.isfinite(second)
        if both.sum() >= FEW_VALUES and np.array_equal(first[both], second[both]):
            text = (
                f"seeds {one} and {two} are equal for all {int(both.sum()):,} cells: not two"
                " trainings"
            )
            yield Finding("alarm", "seeds", (column.name,), text)


def _lead(column: Column, seeds: Values) -> Iterator[Finding]:
    """How far the best cell is above the next, in units of the noise of its mean."""
    minimised = down(column)
    counts = np.isfinite(seeds).sum(axis=0)
    several = np.flatnonzero(column.known & (counts > 1))
    values = np.unique(minimised[column.known])
    if not len(several) or len(values) < 2:
        return
    n_best = max(FEW_VALUES, len(several) // BINS)
    best = several[np.argsort(minimised[several], kind="stable")][:n_best]
    noise = _noise(seeds[:, best])
    if not noise:
        return
    own = noise / math.sqrt(max(int(counts[np.nanargmin(minimised)]), 1))
    lead = float(values[1] - values[0]) / own
    near = int((minimised <= values[0] + 2 * own).sum())
    size = f"{noise:.3g} {column.metric.unit}".rstrip()
    text = (
        f"among the best tenth the noise of one seed is {size}; the best cell leads by {lead:.2g}"
        " times that of its mean, and "
    )
    if near > 1:
        text += f"{near:,} cells are within two: the best is the luckiest of them"
    else:
        text += "no other is within two"
    numbers = {"noise": noise, "lead": lead, "near": float(near)}
    yield Finding("note", "lead", (column.name,), text, numbers)


def _noise(seeds: Values) -> float:
    """The standard deviation between seeds, by the median over cells; shape ``(seeds, cells)``."""
    from scipy.stats import chi2

    freedom = np.isfinite(seeds).sum(axis=0) - 1
    # a variance of so few seeds is below the true one in the median
    median_of_true = chi2.ppf(0.5, freedom) / freedom
    variances = np.nanvar(seeds, axis=0, ddof=1)
    return math.sqrt(float(np.median(variances / median_of_true)))


def _isomorphic(case: Case, column: Column) -> Iterator[Finding]:
    """The ceiling that isomorphic cells show: the same network, trained again."""
    classes = case.space.classes
    if classes is None or CLASS_METRIC in case.table.metrics:
        return
    pairs = np.column_stack([classes, column.values])
    _, first = np.unique(pairs, axis=0, return_index=True)  # cells that share a training count once
    trainings = np.full(len(case.space), np.nan)
    trainings[first] = down(column)[first]
    counts = np.bincount(classes[np.isfinite(trainings)])
    if counts[counts > 1].sum() < FEWEST:
        return
    tau = noise_ceiling(case.space, trainings)["kendall"]
    if math.isfinite(tau) and tau < 1:
        text = f"isomorphic cells agree with τ {short(tau)}: the ceiling of what one training says"
        level: Level = "warning" if tau < _SEEDS_DISAGREE else "note"
        yield Finding(level, "noise", (column.name,), text, {"tau": tau})


def learning_curves(case: Case) -> Iterator[Finding]:
    """Costs that fall while training goes on, and epochs that say nothing of the last."""
    silent: list[str] = []
    for last in case.columns:
        name = last.metric.name
        epochs = sorted(key.epochs or 0 for key in case.table.keys if _is_mean_of(key, name))
        if len(epochs) < 2:
            continue
        if last.is_record and name.startswith("train_"):
            yield from _falling_cost(last, [case.column(name, e).values for e in epochs])
        if last not in case.sound or not last.metric.is_loss:
            continue
        n_shown = min(_SHOWN_EPOCHS, len(epochs) - 1)
        shown = np.unique(np.linspace(0, len(epochs) - 2, n_shown).astype(int))
        taus = {}
        for place in shown:
            early = case.column(name, epochs[place])
            taus[epochs[place]] = case.tau(early.values, last.values)
        silent += [f"{name}[{e}]" for e, tau in taus.items() if not abs(tau) >= _NOTHING]
        if last is case.main:
            listed = ", ".join(f"{short(tau)} after {e}" for e, tau in taus.items())
            text = f"τ with {last.name}: {listed}"
            if not any(tau >= _SAYS for tau in taus.values()):
                text += ": no early epoch says most"
            numbers = {str(e): tau for e, tau in taus.items()}
            yield Finding("note", "curve", (name,), text, numbers)
    if silent:
        text = f"|τ| below {short(_NOTHING)} with the last epoch: says nothing of it"
        yield Finding("warning", "curve", tuple(silent), text)


def _is_mean_of(key: ColumnKey, metric: str) -> bool:
    return key.metric == metric and key.seed == "mean" and bool(key.epochs)


def _falling_cost(last: Column, by_epochs: list[Values]) -> Iterator[Finding]:
    finite = np.where(np.isfinite(by_epochs), by_epochs, np.nan)
    falls = float((np.diff(finite, axis=0) < 0).any(axis=0).mean())
    if falls:
        text = (
            f"falls while training goes on for {percent(falls)} of the cells: what an answer costs"
            " is wrong there"
        )
        yield Finding("warning", "curve", (last.metric.name,), text, {"share": falls})


def ties(case: Case) -> Iterator[Finding]:
    """Cells that share their value, and how many decimals there are."""
    column = case.main
    if column is None:
        return
    values, counts = column.distinct
    share = float(counts[counts > 1].sum() / counts.sum())
    best = int(counts[-1] if column.metric.larger_is_better else counts[0])
    text = (
        f"{len(values):,} different values of {_decimals(values)}; {percent(share)} of the cells"
        " tie"
    )
    if best > 1:
        text += f", {best:,} of them for the best"
    few = len(values) < FEW_VALUES <= len(column.finite) / 2
    level: Level = "warning" if few else "note"
    numbers = {"distinct": float(len(values)), "ties": share, "best": float(best)}
    yield Finding(level, "ties", (column.name,), text, numbers)


def _decimals(values: Values) -> str:
    """How many decimals values have, in words."""
    for digits in range(7):
        if np.allclose(
            values,
            np.round(values, digits),
            rtol=0,
            atol=1e-9,
        ):
            return f"{digits} decimals"
    return "more than 6 decimals"
