"""How often does ``--confirm`` call a cell better that is none, and how often does it see one that
is?

Each setting is a number of cases in which no candidate is better than the reference; "better" must
then be said in at most 5 % of them. A second number of each is the same of "better than the
runner-up" where there is no reference and all candidates are alike.

- ``search``: real searches on tables with seeds. The reference is the cell whose mean over all its
  seeds is nearest to that of the best confirmed cell, and no worse.
- ``drawn``: cells of equal mean whose seeds scatter as those of a table's best tenth do: all as one
  group of ten cells does (alike), or each as another one does (unlike).
- ``halves``: one cell of a table, some of its seeds against others.
- ``trained``: one cell of ``live:digits``, trained with many seeds, stands for all cells.
- ``simulated``: normal, of unequal spread, skewed, heavy-tailed, and with rare failures.
- ``power``: one candidate is better by 1, 2 or 3 standard deviations of a seed.
- ``pairs``: which share of the variance within cells belongs to the seed's number, which is all
  that pairing by seed could take away.

.venv/bin/python analysis/calibrate_confirm.py [--what search drawn ...] [--cases 400] [--seed 0]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core.errors import UserError
from surrogate_nas.objective import Objective
from surrogate_nas.results.api import search
from surrogate_nas.runs.confirm import FEWEST_SEEDS, confirm
from surrogate_nas.stats.decision import decide_few

Values = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int, int], Values]
"""The values of k + 1 cells by n seeds, shape ``(k + 1, n)``; the reference is the first."""

TABLES = {
    "fashion": ("valid_loss", 2),
    "nb201-cifar10": ("valid_error", 2),
    "nb201-cifar100": ("valid_error", 2),
    "nb201-imagenet16": ("valid_error", 2),
    "fcnet-protein": ("valid_loss", 3),
    "fcnet-naval": ("valid_loss", 3),
    "mlp-vehicle": ("valid_balanced_accuracy", 4),
    "mlp-phoneme": ("valid_balanced_accuracy", 4),
}
"""By table the loss, and how many fresh seeds a search leaves at most; mlp is HPOBench's."""
SHAPES = ((1, 5), (3, 2), (3, 3), (3, 5), (5, 5))
"""Numbers of cells and of seeds."""
_GROUP = 10
"""Cells whose seeds scatter as one cell's."""
_BEST = 0.1
_BUDGET = 40
_TRAINED = ("live:digits", "valid_error[2]", 8, 60)
"""A benchmark, its loss, how many cells, and how many seeds of each."""


class Row(NamedTuple):
    """One setting.

    Attributes:
        what: Its kind.
        setting: Its name.
        cells: How many candidates.
        seeds: How many seeds of each cell.
        cases: How many were judged.
        better: In how many the best candidate was called better than the reference.
        ahead: In how many it was called better than the runner-up, without a reference; None where
            that is no error.
    """

    what: str
    setting: str
    cells: int
    seeds: int
    cases: int
    better: int
    ahead: int | None = None

    def __str__(self) -> str:
        share = self.better / self.cases
        error = 100 * (share * (1 - share) / self.cases) ** 0.5
        ahead = "" if self.ahead is None else f"{100 * self.ahead / self.cases:.1f}"
        shape = f"{self.cells}x{self.seeds}"
        shown = f"{100 * share:.1f} ± {error:.1f}"
        return f"| {self.what} | {self.setting} | {shape} | {self.cases} | {shown} | {ahead} |"


def judged(
    what: str,
    setting: str,
    draw: Draw,
    shape: tuple[int, int],
    cases: int,
    seed: int,
) -> Row:
    """Judge so many draws."""
    k, n = shape
    rng = np.random.default_rng([seed, k, n, *setting.encode()])
    better = ahead = 0
    for _ in range(cases):
        drawn = draw(rng, k, n)
        values = {str(i): of for i, of in enumerate(drawn)}
        better += decide_few(values, "0", paired=True).sign > 0
        del values["0"]
        ahead += k > 1 and decide_few(values, paired=True).sign > 0
    return Row(
        what, setting, k, n, cases, better, None if what == "power" or k == 1 else ahead
    )


@cache
def table(name: str) -> Objective:
    """The objective of a table, by drawn seeds."""
    return Objective(TABLES[name][0], name, seed_policy="draw")


def scores(objective: Objective) -> Values:
    """The score of every cell by every seed, shape ``(cells, seeds)``, NaN where none is held."""
    held = objective.single_seeds()
    assert held is not None
    cells, seeds, _ = held.values.shape
    flat = held.values.reshape(cells * seeds, -1)
    return objective.combine(flat).score.reshape(cells, seeds)


def searched(cases: int, seed: int) -> Iterator[Row]:
    """Real searches, and a reference that is no worse than what they found."""
    for name, (_, most) in TABLES.items():
        objective = table(name)
        by_seed = scores(objective)
        held = np.isfinite(by_seed).sum(axis=1)
        true = np.where(held > most, np.nanmean(by_seed, axis=1), np.inf)
        done = better = 0
        for number in range(cases):
            run = search(
                objective.benchmark,
                "random",
                objective,
                budget=_BUDGET,
                run=seed + number,
            )
            alone = confirm(objective, run, 3, most)
            if not alone.cells:
                continue
            best = min(true[one.cell.index] for one in alone.cells)
            others = true.copy()
            others[[trial.cell.index for trial in run.trials]] = np.inf
            others[others > best] = -np.inf
            reference = int(np.argmax(np.where(np.isfinite(others), others, -np.inf)))
            if not np.isfinite(others[reference]):
                continue
            beside = confirm(objective, run, 3, most, against=reference)
            done += 1
            better += beside.better
        yield Row("search", name, 3, most, done, better)


@cache
def _best_cells(name: str) -> Values:
    """The scores by seed of the best tenth of a table's cells that hold all seeds."""
    by_seed = scores(table(name))
    whole = by_seed[np.isfinite(by_seed).all(axis=1)]
    return np.asarray(whole[np.argsort(whole.mean(axis=1))[: int(_BEST * len(whole))]])


@cache
def groups(name: str) -> Values:
    """How seeds scatter about the mean of their cell, in groups of cells of about one spread, shape
    ``(groups, trainings)``.
    """
    best = _best_cells(name)
    seeds = best.shape[1]
    about = (best - best.mean(axis=1, keepdims=True)) * (seeds / (seeds - 1)) ** 0.5
    by_spread = about[np.argsort((about**2).sum(axis=1))]
    n = len(by_spread) // _GROUP
    return by_spread[: n * _GROUP].reshape(n, _GROUP * seeds)


def alike(name: str) -> Draw:
    """All cells scatter as one group."""

    def draw(rng: np.random.Generator, k: int, n: int) -> Values:
        about = groups(name)
        return rng.choice(about[rng.integers(len(about))], (k + 1, n))

    return draw


def unlike(name: str) -> Draw:
    """Each cell scatters as another group."""

    def draw(rng: np.random.Generator, k: int, n: int) -> Values:
        about = groups(name)
        return np.stack(
            [rng.choice(about[i], n) for i in rng.integers(len(about), size=k + 1)]
        )

    return draw


def from_tables(cases: int, seed: int) -> Iterator[Row]:
    """Cells of equal mean that scatter as a table's."""
    for name in TABLES:
        for how, draw in (("alike", alike(name)), ("unlike", unlike(name))):
            for shape in SHAPES:
                yield judged("drawn", f"{name}, {how}", draw, shape, cases, seed)


def halves(cases: int, seed: int) -> Iterator[Row]:
    """One cell of a table's best tenth under two names, each with other seeds."""
    for name in TABLES:
        best = _best_cells(name)
        n = best.shape[1] // 2
        if n < FEWEST_SEEDS:
            continue
        rng = np.random.default_rng([seed, *name.encode()])
        better = 0
        for _ in range(cases):
            drawn = rng.permutation(best[rng.integers(len(best))])
            values = {"reference": drawn[:n], "candidate": drawn[n : 2 * n]}
            better += decide_few(values, "reference").sign > 0
        yield Row("halves", name, 1, n, cases, better)


@cache
def trained_scores() -> Values:
    """Scores of some cells by many seeds each, shape ``(cells, seeds)``."""
    name, expression, cells, seeds = _TRAINED
    objective = Objective(expression, name)
    benchmark = objective.benchmark
    rng = np.random.default_rng(0)
    found = []
    for _ in range(cells):
        cell = benchmark.space.sample(rng)
        answers = [
            benchmark.measure([cell], objective.questions(), seed).values[0]
            for seed in range(seeds)
        ]
        found.append(objective.combine(np.array(answers)).score)
    return np.array(found)


def trained(cases: int, seed: int) -> Iterator[Row]:
    """One trained cell under several names, each with other seeds."""

    def draw(rng: np.random.Generator, k: int, n: int) -> Values:
        every = trained_scores()
        one = every[rng.integers(len(every))]
        return rng.choice(one, (k + 1, n), replace=False)

    for shape in SHAPES:
        yield judged("trained", _TRAINED[0], draw, shape, cases, seed)


def _spread(*factors: float) -> Draw:
    """Normal; of the first cells the spread is a factor, the reference's first."""

    def draw(rng: np.random.Generator, k: int, n: int) -> Values:
        scale = np.ones(k + 1)
        scale[: len(factors)] = factors[: k + 1]
        return scale[:, None] * rng.normal(size=(k + 1, n))

    return draw


def _split(source: Draw, factor: float) -> Draw:
    """What a seed does to all cells alike is so many times as large as the rest."""

    def draw(rng: np.random.Generator, k: int, n: int) -> Values:
        return source(rng, k, n) + factor * rng.normal(size=n)

    return draw


def _fails(share: float, all_of_them: bool) -> Draw:
    """A share of trainings fails, by ten standard deviations; the means are equal."""

    def draw(rng: np.random.Generator, k: int, n: int) -> Values:
        failed = 10.0 * (rng.random((k + 1, n)) < share)
        if not all_of_them:
            failed[0] = 10.0 * share
        return rng.normal(size=(k + 1, n)) + failed

    return draw


SIMULATED: dict[str, Draw] = {
    "normal": _spread(),
    "one candidate 5 times as noisy": _spread(1.0, 5.0),
    "the reference 5 times as noisy": _spread(5.0),
    "one candidate 50 times as noisy": _spread(1.0, 50.0),
    "the seed splits the data, 1": _split(_spread(), 1.0),
    "the seed splits the data, 3": _split(_spread(), 3.0),
    "split, the reference 5 times as noisy": _split(_spread(5.0), 5.0),
    "lognormal, sigma .5": lambda rng, k, n: rng.lognormal(0.0, 0.5, size=(k + 1, n)),
    "exponential": lambda rng, k, n: rng.exponential(size=(k + 1, n)),
    "Student's t, 3 degrees": lambda rng, k, n: rng.standard_t(3, size=(k + 1, n)),
    "one in ten fails, of all": _fails(0.1, all_of_them=True),
    "one in ten fails, the reference never": _fails(0.1, all_of_them=False),
}


def simulated(cases: int, seed: int) -> Iterator[Row]:
    """Laws that tables may not show."""
    for name, draw in SIMULATED.items():
        for shape in SHAPES:
            yield judged("simulated", name, draw, shape, cases, seed)


def power(cases: int, seed: int) -> Iterator[Row]:
    """One candidate is better by some standard deviations of a seed."""

    def shifted(source: Draw, effect: float, sd: float | None) -> Draw:
        def draw(rng: np.random.Generator, k: int, n: int) -> Values:
            values = source(rng, k, n)
            values[1] -= effect * (1.0 if sd is None else sd)
            return values

        return draw

    sources: dict[str, tuple[Draw, float | None]] = {
        "normal": (_spread(), None),
        "the seed splits the data, 3": (_split(_spread(), 3.0), None),
    }
    for name in ("fashion", "nb201-cifar10", "mlp-vehicle"):
        sources[name] = (unlike(name), float(np.sqrt((groups(name) ** 2).mean())))
    for name, (source, sd) in sources.items():
        for effect in (1.0, 2.0, 3.0):
            for shape in SHAPES:
                draw = shifted(source, effect, sd)
                yield judged(
                    "power", f"{name}, {effect:g} sd", draw, shape, cases, seed
                )


def pairs() -> Iterator[str]:
    """The share of the variance within cells that belongs to the seed's number (intraclass), of the
    best tenth of a table and of what is trained.
    """
    every = {name: _best_cells(name) for name in TABLES}
    every[_TRAINED[0]] = trained_scores()
    for name, values in every.items():
        cells, seeds = values.shape
        about = values - values.mean(axis=1, keepdims=True)
        by_number = about.mean(axis=0)
        rest = ((about - by_number) ** 2).sum() / ((cells - 1) * (seeds - 1))
        of_seed = ((by_number**2).sum() / (seeds - 1)) - rest / cells
        yield f"| {name} | {cells} | {seeds} | {of_seed / (of_seed + rest):.3f} |"


KINDS: dict[str, Callable[[int, int], Iterator[Row]]] = {
    "search": searched,
    "drawn": from_tables,
    "halves": halves,
    "trained": trained,
    "simulated": simulated,
    "power": power,
}


def main(arguments: list[str] | None = None) -> int:
    """Measure what is asked for, and print a line a setting."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--what", nargs="+", choices=[*KINDS, "pairs"], default=[*KINDS, "pairs"]
    )
    parser.add_argument("--cases", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args(arguments)
    try:
        _print(asked.what, asked.cases, asked.seed)
    except UserError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def _print(what: list[str], cases: int, seed: int) -> None:
    kinds = [kind for kind in KINDS if kind in what]
    if kinds:
        _line(
            "| what | setting | cells x seeds | cases | better, % | than the runner-up, % |"
        )
        _line("|---|---|---|---|---|---|")
    for kind in kinds:
        for row in KINDS[kind](cases, seed):
            _line(str(row))
    if "pairs" in what:
        _line(
            "\n| benchmark | cells | seeds | share of the seed's number |\n|---|---|---|---|"
        )
        for line in pairs():
            _line(line)


def _line(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
