"""What trainings say: the ceiling that seeds set, epochs on the way, ties."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations

import numpy as np

from surrogate_nas.benchmarks.doctor.case import BINS, FEW_VALUES, FEWEST, Case, Column, down
from surrogate_nas.benchmarks.doctor.findings import Finding, Level, percent, short, span
from surrogate_nas.surrogates.evaluation import noise_ceiling
from surrogate_nas.tables import CLASS_METRIC, Values

_SEEDS_DISAGREE = 0.5
"""τ of two seeds below which three of four comparisons of cells or fewer would be repeated by
another seed.
"""
_NOTHING = 0.1
"""|τ| below which an early epoch says nothing of the last."""
_SAYS = 0.8
"""τ from which on an epoch says most of what the last one does."""
_SHOWN_EPOCHS = 8


def noise(case: Case) -> Iterator[Finding]:
    """The ceiling that seeds set for any order of the cells."""
    agreed: dict[str, float] = {}
    for column in case.sound:
        seeds = _seeds(case, column)
        if not column.metric.is_loss or len(seeds) < 2:
            continue
        taus = []
        for (one, first), (two, second) in combinations(seeds.items(), 2):
            both = np.isfinite(first) & np.isfinite(second)
            if both.sum() >= FEW_VALUES and np.array_equal(first[both], second[both]):
                text = (
                    f"seeds {one} and {two} are equal for all {int(both.sum()):,} cells: not two"
                    " trainings"
                )
                yield Finding("alarm", "seeds", (column.name,), text)
            taus.append(case.tau(first, second))
        if finite := [tau for tau in taus if math.isfinite(tau)]:
            agreed[column.name] = float(np.mean(finite))
        if case.main is column:
            yield from _lead(column, np.array(list(seeds.values())))
    yield from _ceilings(agreed)
    if case.main is not None and not agreed:
        yield from _isomorphic(case, case.main)


def _seeds(case: Case, column: Column) -> dict[int, Values]:
    """The columns of single seeds behind a column of means."""
    run = column.metric.name, column.epochs
    keys = [key for key in case.table.keys if key[:2] == run and key.seed != "mean"]
    return {
        int(key.seed): case.table.column(key) for key in sorted(keys, key=lambda key: int(key.seed))
    }


def _ceilings(agreed: dict[str, float]) -> Iterator[Finding]:
    low = [name for name, tau in agreed.items() if tau < _SEEDS_DISAGREE]
    levels: tuple[tuple[Level, list[str]], ...] = (
        ("warning", low),
        ("note", [name for name in agreed if name not in low]),
    )
    for level, names in levels:
        if names:
            taus = [agreed[name] for name in names]
            text = f"two seeds agree with τ {span(taus)}: the ceiling of what one training says"
            yield Finding(level, "noise", tuple(names), text, {"tau": min(taus)})


def _lead(column: Column, seeds: Values) -> Iterator[Finding]:
    """How far the best cell is above its runners-up, in units of the noise of its mean."""
    from scipy.stats import chi2

    counts = np.isfinite(seeds).sum(axis=0)
    several = np.flatnonzero(column.known & (counts > 1))
    if not len(several):
        return
    best = several[np.argsort(down(column)[several], kind="stable")][
        : max(FEW_VALUES, len(several) // BINS)
    ]
    freedom = counts[best] - 1
    # what the median of a variance of so few seeds is of the true one
    middle = chi2.ppf(0.5, freedom) / freedom
    noise = math.sqrt(float(np.median(np.nanvar(seeds[:, best], axis=0, ddof=1) / middle)))
    values = np.unique(down(column)[column.known])
    if not noise or len(values) < 2:
        return
    at = np.nanargmin(down(column))
    own = noise / math.sqrt(max(int(counts[at]), 1))
    lead = float(values[1] - values[0]) / own
    near = int((down(column) <= values[0] + 2 * own).sum())
    text = (
        f"among the best tenth the noise of one seed is {noise:.3g} {column.metric.unit}".rstrip()
    )
    text += f"; the best cell leads by {lead:.2g} times that of its mean, and "
    text += (
        f"{near:,} cells are within two: the best is the luckiest of them"
        if near > 1
        else "no other is within two"
    )
    yield Finding(
        "note", "lead", (column.name,), text, {"noise": noise, "lead": lead, "near": float(near)}
    )


def _isomorphic(case: Case, column: Column) -> Iterator[Finding]:
    """The ceiling as isomorphic cells show it, which are the same network trained again."""
    if case.space.classes is None or CLASS_METRIC in case.table.metrics:
        return
    trainings = np.full(len(case.space), np.nan)
    _, first = np.unique(
        np.column_stack([case.space.classes, column.values]), axis=0, return_index=True
    )
    trainings[first] = down(column)[first]  # cells that share a training count once
    counts = np.bincount(case.space.classes[np.isfinite(trainings)])
    if counts[counts > 1].sum() < FEWEST:
        return
    tau = noise_ceiling(case.space, trainings)["kendall"]
    if math.isfinite(tau) and tau < 1:
        text = f"isomorphic cells agree with τ {short(tau)}: the ceiling of what one training says"
        level: Level = "warning" if tau < _SEEDS_DISAGREE else "note"
        yield Finding(level, "noise", (column.name,), text, {"tau": tau})


def curves(case: Case) -> Iterator[Finding]:
    """Costs that fall while training goes on, and epochs that say nothing of the last."""
    silent: list[str] = []
    for last in case.columns:
        epochs = sorted(
            e for m, e, seed in case.table.keys if m == last.metric.name and seed == "mean" and e
        )
        if len(epochs) < 2:
            continue
        if last.is_record and last.metric.name.startswith("train_"):
            yield from _falling(last, [case.column(last.metric.name, e).values for e in epochs])
        if last not in case.sound or not last.metric.is_loss:
            continue
        spread = np.unique(
            np.linspace(0, len(epochs) - 2, min(_SHOWN_EPOCHS, len(epochs) - 1)).astype(int)
        )
        taus = {
            e: case.tau(case.column(last.metric.name, e).values, last.values)
            for e in (epochs[i] for i in spread)
        }
        silent += [
            f"{last.metric.name}[{e}]" for e, tau in taus.items() if not abs(tau) >= _NOTHING
        ]
        if last is case.main:
            text = f"τ with {last.name}: " + ", ".join(
                f"{short(tau)} after {e}" for e, tau in taus.items()
            )
            text += (
                "" if any(tau >= _SAYS for tau in taus.values()) else ": no early epoch says most"
            )
            yield Finding(
                "note", "curve", (last.metric.name,), text, {str(e): tau for e, tau in taus.items()}
            )
    if silent:
        text = f"|τ| below {short(_NOTHING)} with the last epoch: says nothing of it"
        yield Finding("warning", "curve", tuple(silent), text)


def _falling(last: Column, each: list[Values]) -> Iterator[Finding]:
    finite = np.where(np.isfinite(each), each, np.nan)
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
    digits = next(
        (d for d in range(7) if np.allclose(values, np.round(values, d), rtol=0, atol=1e-9)), None
    )
    precise = "more than 6 decimals" if digits is None else f"{digits} decimals"
    text = f"{len(values):,} different values of {precise}; {percent(share)} of the cells tie"
    if best > 1:
        text += f", {best:,} of them for the best"
    few = len(values) < FEW_VALUES <= len(column.finite) / 2
    numbers = {"distinct": float(len(values)), "ties": share, "best": float(best)}
    yield Finding("warning" if few else "note", "ties", (column.name,), text, numbers)
