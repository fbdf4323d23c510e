"""The page's numbers again, by h5py, NumPy and SciPy alone, from what is shipped.

Nothing of the package or of the study's code is imported: the rules are written anew from
``analysis/losses_protocol.md`` and the page's text. Of the page's own files two are read besides
being checked: ``classes.csv`` for parameters, ``trainings.csv`` for what the design wants. Not
computed again is ``controls.csv``, whose studies are drawn at random.

    python tests/answer/independent.py data/losses results/answer [HOME]

says of every file of the page which lines differ. HOME is the folder of other people's tables
(``SURROGATE_NAS_HOME``).
"""

from __future__ import annotations

import base64
import csv
import io
import itertools
import json
import math
import random
import sys
import tarfile
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from scipy import optimize, special, stats

SHIPPED = Path(__file__).parents[2] / "data"
FIRST, CLASSES = 50, 100
NAMES = ("valid_loss", "train", "early", "kind")
LENGTHS = (1, 4, 8)
TIMES = (10, 20, 50, 100)
WEAK = ("languages", "cartpole")
SMALL = 1e-12
Line = dict[str, Any]
Values = np.ndarray


# Tables: smaller is better in all that is read


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@cache
def sources() -> dict[str, str]:
    """By task the source of its data."""
    lines = rows(SHIPPED / "sources.csv")
    return {task: line["source"] for line in lines for task in line["tasks"].split()}


@cache
def order_of(space: str) -> dict[tuple[int, ...], int]:
    """The place of every class in the random order, by the options of its first cell."""
    if space == "macro":
        cells = list(itertools.product(range(6), repeat=2))
        first = np.arange(len(cells))
    else:  # NAS-Bench-201's official order, and functional classes as `fashion` has them
        cells = list(itertools.product(range(5), repeat=6))
        random.Random(88).shuffle(cells)
        with h5py.File(SHIPPED / "fashion.h5") as file:
            first = np.unique(file["columns/functional_class/any/mean"][()].astype(int))
    return {
        cells[at]: place
        for place, at in enumerate(np.random.default_rng(0).permutation(first))
    }


def numbers(raw: Values, metrics: Iterable[Line]) -> Values:
    """Digits and a power of ten; in files of 25 November, decimals of a metric."""
    decimals = [one.get("decimals") for one in metrics for _ in one["columns"]]
    values = (raw % 65536 - 32768) * 10.0 ** (raw // 65536 - 1024)
    for row, places in enumerate(decimals):
        if places is not None:
            values[row] = raw[row] / 10.0**places
    values[raw == np.iinfo(np.int32).min] = np.nan
    return values


class Table:
    """One file: ``columns[loss, name, time]`` has shape (seeds, classes).

    Classes are those of some places in the random order that every seed trained; all that the
    table has if no places are given.
    """

    def __init__(self, path: Path, places: range | None) -> None:
        with h5py.File(path) as file:
            index = json.loads(file["index"][()].tobytes())
            raw = file["values"][()].astype(np.int64)
            self.digest = str(file.attrs["digest"], "ascii")
        texts = index["texts"]
        card, space = json.loads(texts["card"]), json.loads(texts["space"])
        self.name, self.task, self.length = path.stem, card["task"], card.get("length", 1)
        self.source, self.space = sources()[self.task], space["of"]
        self.usual = texts["objective"].split("@")[1].split(" ")[0]
        self.measure = card["judged_by"].removeprefix("valid_")
        self.unit = index["metrics"][f"test_{self.measure}@{self.usual}"]["details"]["unit"]
        order = order_of(self.space)
        held = np.frombuffer(base64.b64decode(space["held"]), np.uint8)
        cells = held.reshape(-1, len(next(iter(order)))).tolist()
        at = np.arange(len(cells))
        if places is not None:
            first = 0 if self.space == "macro" else places.start
            at = np.array([order[tuple(cell)] - first for cell in cells])
        n = len(at) if places is None else len(places)
        values = numbers(raw.reshape(-1, len(cells)), index["metrics"].values())
        wide = np.full((len(values), n), np.nan)
        here = (0 <= at) & (at < n)
        wide[:, at[here]] = values[:, here]
        self._fill(self._found(index["metrics"], wide), np.full(n, np.nan))

    @staticmethod
    def _found(metrics: Line, values: Values) -> dict[Any, dict[int, Values]]:
        found: dict[Any, dict[int, Values]] = defaultdict(dict)
        lines = iter(values)
        for metric, entry in metrics.items():
            name, loss = metric.split("@")
            last = max(epochs for epochs, _ in entry["columns"])
            sign = -1 if entry["details"]["quantity"] == "quality" else 1
            ending = name.rpartition("_")[2]
            for epochs, seed in entry["columns"]:
                row = sign * next(lines)
                times = [t for t in TIMES if epochs == math.ceil(t * last / 100 - 1e-12)]
                for time in [ending] if ending in ("late", "mean") else times:
                    found[loss, name.removesuffix(f"_{time}"), time][seed] = row
        return found

    def _fill(self, found: dict[Any, dict[int, Values]], none: Values) -> None:
        """A training that diverged has the worst value of its column."""
        made = {
            key[0]: {seed: np.isfinite(row) for seed, row in own.items()}
            for key, own in found.items()
            if key[1] == "diverged"
        }
        self.trained = {
            loss: int(sum(map(sum, own.values()))) for loss, own in made.items()
        }
        usual = made[self.usual]
        some = np.any(list(usual.values()), axis=0).sum()
        self.seeds = sorted(
            seed for seed, row in usual.items() if 2 * row.sum() >= some > 0
        )
        whole = [usual[seed] for seed in self.seeds] or [np.zeros(len(none), bool)]
        self.places = np.flatnonzero(np.all(whole, axis=0))
        self.columns = {}
        for key, own in found.items():
            filled = []
            for seed in self.seeds:
                row = own.get(seed, none).copy()
                worst = np.nanmax(row) if np.isfinite(row).any() else np.nan
                row[made[key[0]].get(seed, np.zeros(len(none), bool)) & np.isnan(row)] = (
                    worst
                )
                filled.append(row[self.places])
            self.columns[key] = np.array(filled)

    @property
    def is_usable(self) -> bool:
        return len(self.seeds) >= 2 and len(self.places) >= 10

    def get(self, name: str, time: Any = 100, loss: str = "") -> Values:
        return self.columns[loss or self.usual, name, time]

    @property
    def signals(self) -> list[tuple[str, str, Any]]:
        """Split, quantity and time of what a search may see of the usual loss's runs."""
        own = [key[1:] for key in self.columns if key[0] == self.usual and "_" in key[1]]
        keys = [(*name.split("_", 1), time) for name, time in own]
        known = {key[1] for key in keys if key[::2] == ("valid", 100)} - {"seconds"}
        kept = [key for key in keys if key[1] in known]
        return [key for key in kept if key[0] == "valid" or key[:2] == ("train", "loss")]


# Orders: signals and goals have shape (seeds, classes)


def rest(goal: Values) -> Values:
    """By seed the mean of the other seeds; of one training, itself."""
    if len(goal) == 1:
        return goal
    each = [np.delete(goal, seed, axis=0).mean(axis=0) for seed in range(len(goal))]
    return np.round(each, 12)


def over_seeds(value: Callable[[Values, Values], Any], one: Values, two: Values) -> Any:
    """The mean over pairs of rows."""
    return np.mean([value(a, b) for a, b in zip(one, two, strict=True)], axis=0)


def kendall(one: Values, two: Values) -> float:
    """τ_b; 0 where all values of one tie."""
    return float(np.nan_to_num(stats.kendalltau(one, two, method="asymptotic").statistic))


def tau(signal: Values, goal: Values) -> float:
    return float(over_seeds(kendall, signal, rest(goal)))


def alike(values: Values) -> float:
    """The mean τ of two seeds."""
    return float(np.mean([kendall(*two) for two in itertools.combinations(values, 2)]))


def quarter(seen: Values, wanted: Values) -> float:
    """τ of one seed in the best quarter of the classes."""
    best = np.argsort(wanted, kind="stable")[: len(wanted) // 4]
    return kendall(seen[best], wanted[best])


def pairs_of(weights: Values) -> Values:
    """How often each pair of classes is drawn, a resample a row."""
    i, j = np.triu_indices(weights.shape[1], 1)
    return weights[:, i].astype(float) * weights[:, j]


def weighted_tau(one: Values, two: Values, pairs: Values) -> Values:
    i, j = np.triu_indices(len(one), 1)
    a, b = np.sign(one[i] - one[j]), np.sign(two[i] - two[j])
    below = (pairs @ a**2) * (pairs @ b**2)
    return np.where(
        below > 0, (pairs @ (a * b)) / np.sqrt(np.where(below > 0, below, 1)), 0.0
    )


def resampled(signal: Values, goal: Values, pairs: Values) -> Values:
    return np.asarray(over_seeds(partial(weighted_tau, pairs=pairs), signal, rest(goal)))


def regret(signal: Values, goal: Values, halves: Values) -> float:
    """The mean goal of the pick among random halves, less that of the best of them; ties share."""

    def lost(seen: Values, wanted: Values) -> float:
        inside = np.where(halves, seen, np.inf)
        tied = inside == inside.min(axis=1, keepdims=True)
        got = tied @ wanted / tied.sum(axis=1)
        return float(np.mean(got - np.where(halves, wanted, np.inf).min(axis=1)))

    return float(over_seeds(lost, signal, rest(goal)))


def expected_pick(seen: Values, wanted: Values, draws: Values) -> Values:
    """The mean goal of the pick over all halves of the drawn classes, a resample a row."""
    found = []
    for drawn in draws:
        every = np.repeat(np.arange(len(seen)), drawn)
        every = every[np.argsort(seen[every], kind="stable")]
        starts = np.flatnonzero(np.r_[True, np.diff(seen[every]) > 0])
        mean = np.add.reduceat(wanted[every], starts) / np.diff(np.r_[starts, len(every)])
        found.append(np.add.reduceat(_chances(len(every)), starts) @ mean)
    return np.array(found)


@cache
def _chances(n: int) -> Values:
    """By place in an order the chance to be the first of a random half."""
    return special.comb(n - 1 - np.arange(n), n // 2 - 1) / special.comb(n, n // 2)


def sd_of_seeds(goal: Values) -> float:
    return math.sqrt(np.mean(np.var(goal, axis=0, ddof=1))) or 1.0


def concordant(one: Values, two: Values) -> tuple[Values, Values, Values, float]:
    """By cell its concordant less its discordant pairs, and those that each order does not tie; the
    denominator of τ_b.
    """
    a, b = (np.sign(values[:, None] - values) for values in (one, two))
    untied = np.abs(a).sum(1), np.abs(b).sum(1)
    return (a * b).sum(1), *untied, math.sqrt(untied[0].sum() * untied[1].sum()) or math.inf


# Means of sources


def random_effects(y: Values, v: Values) -> Line:
    """Paule and Mandel's variance between sources, Hartung and Knapp's interval and test."""
    k, v = len(y), np.maximum(v, SMALL)

    def mean(t: float) -> float:
        return float((y / (v + t)).sum() / (1 / (v + t)).sum())

    def excess(t: float) -> float:
        return float(((y - mean(t)) ** 2 / (v + t)).sum() - (k - 1))

    t = optimize.brentq(excess, 0, 1e4, xtol=1e-16) if excess(0) > 0 else 0.0
    w, m = 1 / (v + t), mean(t)
    error = max(math.sqrt((w * (y - m) ** 2).sum() / ((k - 1) * w.sum())), SMALL)
    reach = stats.t.ppf(0.975, k - 1) * error
    new = stats.t.ppf(0.975, k - 2) * math.sqrt(t + error**2)
    line = dict(sources=k, difference=m, low=m - reach, high=m + reach, plain=y.mean())
    line |= dict(new_low=m - new, new_high=m + new, between=math.sqrt(t), error=error)
    return line | dict(p=2 * stats.t.sf(abs(m) / error, k - 1))


def resampled_effects(values: Values) -> Line:
    """The same of sources with their resamples, shape (sources, 1 + resamples)."""
    return random_effects(values[:, 0], values[:, 1:].var(1, ddof=1))


def hall(y: Values, level: float) -> tuple[float, float]:
    n, s = len(y), stats.sem(y)
    k = stats.skew(y, bias=False) / math.sqrt(n)
    # Σ(y−ȳ)³/((n−1)(n−2)n)/s³ of VERDICT equals the unbiased skewness over √n
    q = stats.t.ppf(1 - level / 2, n - 1)
    ends = [
        3 / k * (np.cbrt(1 + k * (x - k / 6)) - 1) if abs(k) > 1e-9 else x for x in (q, -q)
    ]
    return float(y.mean() - s * ends[0]), float(y.mean() - s * ends[1])


def holm(p: Sequence[float]) -> tuple[Values, Values]:
    """Adjusted p-values, and the level of each one's step."""
    order, left = np.argsort(p, kind="stable"), np.arange(len(p), 0, -1)
    after, level = np.empty((2, len(p)))
    after[order] = np.maximum.accumulate(np.minimum(np.sort(p) * left, 1))
    level[order] = 0.05 / left
    return after, level


def normal(difference: float, error: float) -> Line:
    """A difference with its interval of 95 %."""
    reach = stats.norm.ppf(0.975) * error
    return dict(difference=difference, low=difference - reach, high=difference + reach)


def over_classes(values: Values) -> Line:
    return normal(values[0], values[1:].std(ddof=1))


def two_level(values: Values) -> Values:
    """Sources are drawn, then resamples of classes."""
    rng = np.random.default_rng(3)
    k, n = values.shape
    chosen = rng.integers(k, size=(10_000, k))
    means = values[chosen, rng.integers(n, size=(10_000, 1))].mean(1)
    return np.quantile(means, [0.025, 0.975])


def grouped(pairs: Iterable[tuple[Any, Any]]) -> dict[Any, Values]:
    """The mean by source of what its tables have."""
    found = defaultdict(list)
    for source, value in pairs:
        found[source].append(value)
    return {source: np.mean(own, axis=0) for source, own in found.items()}


# This project's tables


class Study:
    """The tables of a folder, at some places of the random order of classes.

    A method that is named as a file of the page gives its lines. `only` names some tables, and
    without resamples there are no errors and no regrets.
    """

    def __init__(
        self,
        data: Path,
        page: Path,
        first: int = FIRST,
        n: int = CLASSES,
        *,
        only: Collection[str] = (),
        resamples: int = 1000,
    ) -> None:
        self.page = page
        paths = [
            path for path in sorted(data.glob("*.h5")) if not only or path.stem in only
        ]
        every = [Table(path, range(first, first + n)) for path in paths]
        self.tables = [table for table in every if table.is_usable]
        drawn = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), resamples)
        self.weights = np.vstack([np.ones(n, dtype=int), drawn])
        rng = np.random.default_rng(1)
        chosen = [rng.permutation(n)[: n // 2] for _ in range(400)]
        self.halves = np.array([np.isin(np.arange(n), half) for half in chosen])
        self.agreement, self.same = {}, {}
        self.taus: dict[str, dict[str, Values]] = {}
        self.costs: dict[str, dict[str, Values]] = {}
        for table in self.tables:
            self._judge(table)

    def _judge(self, table: Table) -> None:
        final = table.get(f"valid_{table.measure}")
        self.agreement[table.name] = alike(final)
        self.same[table.name] = over_seeds(kendall, table.get("valid_loss"), final)
        draws = self.weights[:, table.places]
        pairs, halves = pairs_of(draws), self.halves[:, table.places]
        pick = partial(expected_pick, draws=draws)
        best = cache(lambda name: over_seeds(pick, *[rest(table.get(name))] * 2))

        def cost(signal: Values, goal: str) -> Values:
            wanted = table.get(goal)
            found = over_seeds(pick, signal, rest(wanted)) - best(goal)
            found[0] = regret(signal, wanted, halves)
            return np.asarray(found / sd_of_seeds(wanted))

        if len(draws) > 1:
            self.costs[table.name] = self._four(table, cost)
        own = lambda signal, goal: resampled(signal, table.get(goal), pairs)  # noqa: E731
        self.taus[table.name] = self._four(table, own)

    def _four(
        self, table: Table, value: Callable[[Values, str], Values]
    ) -> dict[str, Values]:
        """The four contrasts; two where loss and measure are one quantity."""
        measure, loss = table.get(f"valid_{table.measure}"), table.get("valid_loss")
        goal = f"test_{table.measure}"
        reference = value(measure, goal)
        found = dict(train=value(table.get("train_loss"), goal) - reference)
        found["early"] = value(table.get("train_loss", 20), goal) - reference
        if self.same[table.name] < 0.98:
            found["valid_loss"] = value(loss, goal) - reference
            matched = value(loss, "test_loss") - value(measure, "test_loss")
            found["kind"] = (matched - found["valid_loss"]) / 2
        return found

    def of_length(
        self, length: float, *, noise: bool = False, without: Collection[str] = ()
    ) -> list[Table]:
        own = [one for one in self.tables if (one.length, one.space) == (length, "nb201")]
        own = [one for one in own if one.task not in without]
        return [one for one in own if noise or self.agreement[one.name] >= 0.3]

    def _by_source(self, tables: list[Table], values: Line, name: str) -> dict[str, Values]:
        own = [table for table in tables if name in values[table.name]]
        return grouped((table.source, values[table.name][name]) for table in own)

    def trainings(self) -> list[Line]:
        here = {
            (one.name, loss): n for one in self.tables for loss, n in one.trained.items()
        }
        told = rows(self.page / "data/trainings.csv")
        wanted = {(line["table"], line["loss"]): int(line["wanted"]) for line in told}
        keys = {*here, *wanted}
        return [
            dict(
                table=key[0], loss=key[1], here=here.get(key, 0), wanted=wanted.get(key, 0)
            )
            for key in sorted(keys)
        ]

    def contrasts(
        self, *, in_part: bool = True, noise: bool = False, without: Collection[str] = ()
    ) -> list[Line]:
        """Lengths of which trainings lack decide nothing, unless they are told as they are."""
        lacking = {one["table"] for one in self.trainings() if one["here"] < one["wanted"]}
        lines = []
        for length in LENGTHS:
            ending = "" if length == 1 else f"-x{length}"
            whole = not (in_part and lacking & {f"{task}{ending}" for task in sources()})
            for line in self._contrasts(
                self.of_length(length, noise=noise, without=without)
            ):
                for name in ("decided", "regret_decided", "negligible"):
                    line[name] = bool(line[name] and whole)
                lines.append(line | dict(length=length, whole=whole))
        return lines

    def _contrasts(self, tables: list[Table]) -> list[Line]:
        taus = {}
        for name in NAMES:
            values = np.array(list(self._by_source(tables, self.taus, name).values()))
            if len(values) >= 3:
                taus[name] = values
        lines = {name: resampled_effects(values) for name, values in taus.items()}
        steps = zip(*holm([line["p"] for line in lines.values()]), strict=True)
        for (name, line), (after, level) in zip(lines.items(), steps, strict=True):
            low, high = hall(taus[name][:, 0], level)
            decided = after < 0.05 and not low <= 0 <= high
            reach = stats.t.ppf(1 - level / 2, line["sources"] - 1) + stats.norm.ppf(0.8)
            line.update(contrast=name, decided=decided, holm=after, level=level)
            line.update(hall_low=low, hall_high=high, detectable=reach * line["error"])
            line.update(negligible=-0.05 < line["low"] and line["high"] < 0.05)
            line["two_level_low"], line["two_level_high"] = two_level(taus[name][:, 1:])
            line["tasks"] = sum(name in self.taus[table.name] for table in tables)
            # the gatekeeper: regret is tested where τ is decided
            costs = np.array(list(self._by_source(tables, self.costs, name).values()))
            cost, (low, high) = resampled_effects(costs), hall(costs[:, 0], level)
            passes = cost["p"] < level and not low <= 0 <= high
            line.update(regret_decided=decided and passes, regret=cost["difference"])
            line.update(regret_low=cost["low"], regret_high=cost["high"])
            line["regret_p"] = cost["p"] if decided else math.nan
        return list(lines.values())

    def points(
        self, which: str = "", *, noise: bool = False, without: Collection[str] = ()
    ) -> list[Line]:
        """Of contrasts what needs no resamples: plain means of sources, and counts."""
        lines = []
        for length, name in itertools.product(LENGTHS, NAMES):
            own = self.of_length(length, noise=noise, without=without)
            values = list(self._by_source(own, self.taus, name).values())
            line: Line = dict(
                which=which, length=length, contrast=name, sources=len(values)
            )
            line["tasks"] = sum(name in self.taus[table.name] for table in own)
            lines += [line | dict(plain=np.mean(values))] if len(values) >= 3 else []
        return lines

    def besides(self) -> list[Line]:
        named: dict[str, Line] = {"with tasks that are noise": dict(noise=True)}
        named[f"without {' and '.join(WEAK)}"] = dict(without=WEAK)
        return [
            line | dict(which=which)
            for which, tasks in named.items()
            for line in self.contrasts(**tasks)
        ]

    def sources(self) -> list[Line]:
        lines = []
        for length, name in itertools.product(LENGTHS, NAMES):
            own = [
                table for table in self.of_length(length) if name in self.taus[table.name]
            ]
            for source, values in self._by_source(own, self.taus, name).items():
                tasks = ", ".join(table.task for table in own if table.source == source)
                about = dict(length=length, contrast=name, source=source, tasks=tasks)
                lines.append(about | over_classes(values))
        return lines

    @cached_property
    def params(self) -> dict[str, Values]:
        """By table the parameters of its classes, which stand in the page's file by their place."""
        told: dict[str, list[float]] = defaultdict(list)
        spaces = {table.name: table.space for table in self.tables}
        for line in rows(self.page / "data/classes.csv"):
            if line["table"] not in spaces:
                continue
            cell = tuple(map(int, line["cell"]))
            assert order_of(spaces[line["table"]])[cell] == int(line["place"])
            told[line["table"]].append(float(line["params"]))
        return {name: np.array(values) for name, values in told.items()}

    @cache  # noqa: B019
    def signals(self) -> list[Line]:
        lines = []
        for one in self.tables:
            about = dict(
                table=one.name, task=one.task, source=one.source, length=one.length
            )
            about |= dict(space=one.space, measure=one.measure)
            about["noise"] = self.agreement[one.name] < 0.3
            lines += [about | line for line in self._signals(one)]
        return lines

    def _signals(self, table: Table) -> Iterable[Line]:
        seen = {key: table.get(f"{key[0]}_{key[1]}", key[2]) for key in table.signals}
        agreement = {key: alike(values) for key, values in seen.items()}
        halves = self.halves[:, table.places]
        rng = np.random.default_rng([*table.name.encode()])
        for name in (table.measure, "loss", "ece", "robust_error"):
            if (table.usual, f"test_{name}", 100) not in table.columns:
                continue
            goal = table.get(f"test_{name}")
            seen["floor", "−parameters", 100] = -np.tile(
                self.params[table.name], (len(goal), 1)
            )
            seen["floor", "random", 100] = rng.standard_normal(goal.shape)
            seen["ceiling", "another seed", 100] = goal
            agreement["ceiling", "another seed", 100] = of_goal = alike(goal)
            # Spearman and Brown: the reliability of the mean of the other seeds
            of_mean = (len(goal) - 1) * of_goal / (1 + (len(goal) - 2) * of_goal)
            for key, values in seen.items():
                line: Line = dict(zip(("split", "quantity", "time"), key, strict=True))
                line |= dict(goal=name, tau=tau(values, goal))
                line["quarter"] = over_seeds(quarter, values, rest(goal))
                both = of_mean * agreement.get(key, 0.0)
                line["corrected"] = line["tau"] / math.sqrt(both) if both > 0 else math.nan
                lost = regret(values, goal, halves)
                yield line | dict(regret=lost / sd_of_seeds(goal), regret_in_unit=lost)

    def kinds(self, signals: Iterable[Line] = ()) -> list[Line]:
        """Signals at the usual length by source, the measure by its role."""
        keys = ("split", "quantity", "time", "goal", "source")
        numbers = ("tau", "quarter", "corrected", "regret")
        found = defaultdict(list)
        usual = {table.name for table in self.of_length(1)}
        for line in signals or self.signals():
            if line["table"] in usual:
                named = ["measure" if line[k] == line["measure"] else line[k] for k in keys]
                found[tuple(named)].append([float(line[name] or "nan") for name in numbers])
        means = {
            key: np.ma.masked_invalid(own).mean(0).filled(np.nan)
            for key, own in found.items()
        }
        names = (*keys, *numbers)
        return [dict(zip(names, (*key, *own), strict=True)) for key, own in means.items()]

    def losses(self) -> list[Line]:
        """Another loss's own validation value less the usual measure, by the usual goal."""
        lines = []
        for table in self.of_length(1, noise=True):
            for loss in sorted({key[0] for key in table.columns} - {table.usual}):
                own = table.columns[loss, "valid_loss", 100]
                known = np.isfinite(own).all(axis=0)
                pairs = pairs_of(self.weights[:, table.places[known]])
                goal = table.get(f"test_{table.measure}")[:, known]
                usual = table.get(f"valid_{table.measure}")[:, known]
                values = resampled(own[:, known], goal, pairs) - resampled(
                    usual, goal, pairs
                )
                p = 2 * stats.norm.sf(abs(values[0]) / max(values[1:].std(ddof=1), SMALL))
                about = dict(task=table.task, loss=loss, usual=table.usual, p=p)
                lines.append(about | over_classes(values))
        after = holm([line["p"] for line in lines])[0]
        return [line | dict(holm=p) for line, p in zip(lines, after, strict=True)]

    def moderator(self) -> list[Line]:
        """Spearman's ρ of the gap of the losses with a contrast, over all and within lengths."""
        lines = []
        for name in ("train", "valid_loss"):
            points = defaultdict(list)
            for table in itertools.chain(*map(self.of_length, LENGTHS)):
                if name in self.taus[table.name]:
                    train, valid = (
                        table.get(f"{s}_loss").mean() for s in ("train", "valid")
                    )
                    gap = (valid - train) / (abs(valid) + abs(train))
                    points[table.length].append((gap, self.taus[table.name][name][0]))
            every = [point for own in points.values() for point in own]
            enough = [own for own in (every, *points.values()) if len(own) >= 3]
            over, *within = [
                stats.spearmanr(*np.transpose(own)).statistic for own in enough
            ]
            line = dict(
                contrast=name, points=len(every), over_all=over, within=np.mean(within)
            )
            lines.append(line)
        return lines

    def left_out(self) -> list[Line]:
        lines = []
        for name, agreement in self.agreement.items():
            noise, one = bool(agreement < 0.3), bool(self.same[name] >= 0.98)
            line = dict(table=name, agreement=agreement, same=self.same[name])
            lines += [line | dict(noise=noise, one=one)] if noise or one else []
        return lines

    def second_space(self) -> list[Line]:
        some = [table for table in self.tables if table.space != "nb201"]
        return [
            dict(space=table.space, task=table.task, contrast=name) | over_classes(values)
            for table in some
            for name, values in self.taus[table.name].items()
        ]

    def short_runs(self) -> list[Line]:
        """A short run's own end less the whole run's point at 20 %, by the whole run's goal."""
        lines = []
        whole = {table.task: table for table in self.of_length(1, noise=True)}
        for short in self.tables:
            long = whole.get(short.task)
            if short.length >= 1 or short.space != "nb201" or long is None:
                continue
            both = np.intersect1d(short.places, long.places)
            here, there = np.isin(short.places, both), np.isin(long.places, both)
            pairs, goal = pairs_of(self.weights[:, both]), long.get(f"test_{long.measure}")
            for split, quantity in (
                ("valid", long.measure),
                ("valid", "loss"),
                ("train", "loss"),
            ):
                name = f"{split}_{quantity}"
                own = resampled(short.get(name)[:, here], goal[:, there], pairs)
                point = resampled(long.get(name, 20)[:, there], goal[:, there], pairs)
                line = dict(
                    task=short.task, split=split, quantity=quantity, length=short.length
                )
                lines.append(
                    line | dict(own=own[0], point=point[0]) | over_classes(own - point)
                )
        return lines

    def worth(self) -> list[Line]:
        """What .05 of τ is worth: less the slope of regret on τ over a task's signals."""
        in_unit, in_seeds = [], []
        for table in self.of_length(1):
            every = [line for line in self.signals() if line["table"] == table.name]
            own = [
                (line["tau"], line["regret_in_unit"])
                for line in every
                if line["goal"] == table.measure and line["split"] in ("train", "valid")
            ]
            worth = -0.05 * stats.linregress(*np.transpose(own)).slope
            in_seeds.append(worth / sd_of_seeds(table.get(f"test_{table.measure}")))
            in_unit += [worth] if table.unit == "%" else []
        points = np.median(in_unit) if in_unit else math.nan
        return [dict(points=points, of_tasks=len(in_unit), seeds=np.median(in_seeds))]

    def tolerance(self) -> list[Line]:
        """How far apart the picks of two losses lie by one rule for λ, over sources."""
        each = [
            (one.source, picks_apart(one, self.params[one.name]))
            for one in self.of_length(1)
        ]
        lines = []
        for rule in each[0][1]:
            line: Line = dict(rule=rule)
            for i, name in enumerate(("params", "goal")):
                pairs = [(source, of_seeds(far[rule][i])) for source, far in each]
                for told in over_sources(pairs):
                    line |= {name: told["difference"], "sources": told["sources"]}
                    line |= {f"{name}_low": told["low"], f"{name}_high": told["high"]}
            lines += [line] if "sources" in line else []
        return lines


def optima(data: Path, fewest: int = 1000) -> list[Line]:
    """The signals' picks among all classes of a space, on the tasks that have them all."""
    lines = []
    paths = [data / f"{name}.h5" for name in ("digits", "rotation")]
    for table in [Table(path, None) for path in paths if path.exists()]:
        if not table.is_usable or len(table.places) < fewest:
            continue
        goal = table.get(f"test_{table.measure}")

        def picked(seen: Values, wanted: Values) -> Values:
            own = wanted[seen == seen.min()]
            better = np.mean([(wanted < one).mean() for one in own])
            return np.array([own.mean() - wanted.min(), better])

        signals = [("valid", table.measure, 100), ("valid", "loss", 100)]
        for split, quantity, time in (
            *signals,
            ("train", "loss", 100),
            ("train", "loss", 20),
        ):
            signal = table.get(f"{split}_{quantity}", time)
            lost, better = over_seeds(picked, signal, rest(goal))
            line = dict(task=table.task, signal=f"{split} {quantity} {time}", better=better)
            line |= dict(classes=len(table.places), tau=tau(signal, goal))
            lines.append(line | dict(regret=lost / sd_of_seeds(goal)))
    return lines


# λ by a tolerance, and stored searches


def of_seeds(values: Values) -> tuple[float, float]:
    """The mean of a number by seed, and its variance."""
    return float(values.mean()), float(values.var(ddof=1) / len(values))


def over_sources(pairs: Iterable[tuple[str, tuple[float, float]]]) -> list[Line]:
    """The mean over sources, each with the mean of their variances; none of fewer than three."""
    means = np.array(list(grouped(pairs).values()))
    if len(means) < 3:
        return []
    values, variances = means.T
    line = random_effects(values, np.full(len(values), variances.mean()))
    return [line | dict(worse=int((values > 0).sum()))]


def picks_apart(table: Table, params: Values) -> dict[str, Values]:
    """By rule how far the picks of validation and training loss lie from the measure's, shape
    (2, seeds): doublings of parameters, and standard deviations of the goal.

    A pick has the least loss + λ·parameters/median. By a tolerance λ is a share of the loss's
    interquartile range; `same λ` is the measure's, of which 100 % are 1; `limit` has no λ and at
    most the parameters of the measure's pick; a knee lies farthest below the line between the ends
    of a front.
    """
    goal, size = table.get(f"test_{table.measure}"), params / np.median(params)
    wanted = rest(goal) / sd_of_seeds(goal)
    measure = table.get(f"valid_{table.measure}") / (100 if table.unit == "%" else 1)
    signals = np.array([measure, table.get("valid_loss"), table.get("train_loss")])
    far: dict[str, Values] = defaultdict(lambda: np.zeros((2, len(goal))))
    for share, seed in itertools.product((0.1, 0.3, 1.0), range(len(goal))):
        losses = signals[:, seed]
        low, high = np.quantile(losses, [0.25, 0.75], axis=1)
        weights = share * (high - low)[:, None]
        by_tolerance = losses + weights * size
        limit = size[by_tolerance[0].argmin()]
        penalised = {
            "tolerance": by_tolerance,
            "same λ": losses + weights[0] * size,
            "limit": np.where(size <= limit, losses, np.inf),
        }
        picks = {rule: values.argmin(axis=1) for rule, values in penalised.items()}
        picks["knee"] = np.array([knee(loss, size) for loss in losses])
        for rule, (own, *others) in picks.items():
            doublings = np.abs(np.log2(size[others] / size[own])).mean()
            apart = np.abs(wanted[seed, others] - wanted[seed, own]).mean()
            far[rule][:, seed] += np.array([doublings, apart]) / 3
    less = {
        rule: own - far["tolerance"] for rule, own in far.items() if rule != "tolerance"
    }
    return far | {f"{rule} less tolerance": own for rule, own in less.items()}


def knee(loss: Values, size: Values) -> int:
    front: list[int] = []
    for i in np.lexsort((loss, size)):
        if not front or loss[i] < loss[front[-1]]:
            front.append(i)
    along = [
        (own[front] - own[front].min()) / (np.ptp(own[front]) or 1) for own in (loss, size)
    ]
    return front[int(np.argmin(along[0] + along[1]))]


SEARCHED = ("measure", "validation loss", "training loss")
WHOLE = 3 * 7 * 4 * 4
"""Searches of a task: signals, strategies, λ and seeds; the switch's come besides."""
Searches = dict[str, list[dict[str, str]]]


def searches(data: Path, tables: Iterable[Table]) -> Searches:
    """The stored searches of the tables as they are now, by task, where all were made."""
    store = data.parent / f"{data.name}-searches.csv"
    digests = {
        table.task: table.digest[:12] for table in tables if table.name == table.task
    }
    found: Searches = defaultdict(list)
    for line in rows(store) if store.exists() else []:
        if digests.get(line["task"]) == line["digest"][:12]:
            found[line["task"]].append(line)
    n = {
        task: sum(line["signal"] in SEARCHED for line in own) for task, own in found.items()
    }
    return {task: own for task, own in found.items() if n[task] == WHOLE}


def costs(made: Searches, signal: str, column: str, entry: str, name: str) -> list[Line]:
    """What a signal costs instead of the measure, in searches with some entry of a column."""
    pairs = []
    for task, own in made.items():
        regrets: dict[str, Line] = {signal: defaultdict(list), "measure": defaultdict(list)}
        for line in own:
            if line["signal"] in regrets and line[column] == entry:
                regrets[line["signal"]][line["seed"]].append(float(line["regret"]))
        driven, plain = (np.array(list(by_seed.values())) for by_seed in regrets.values())
        if driven.shape == plain.shape:
            pairs.append((sources()[task], of_seeds((driven - plain).mean(axis=1))))
    return [
        line | {name: signal if name == "signal" else entry} for line in over_sources(pairs)
    ]


def shares(made: Searches) -> list[Line]:
    """The mean over sources of the shares of the variance of regret."""
    told = [
        (sources()[task], parts) for task, own in made.items() if (parts := components(own))
    ]
    by = list(grouped((source, list(parts.values())) for source, parts in told).values())
    means = zip(told[0][1], np.mean(by, axis=0), strict=True) if by else ()
    return [dict(component=name, share=mean, sources=len(by)) for name, mean in means]


def components(searches: list[dict[str, str]]) -> dict[str, float]:
    """Shares of the variance of one task's regrets, none where there is no variance."""
    searches = [line for line in searches if line["signal"] in SEARCHED]
    names = ("signal", "strategy", "lambda", "seed")
    levels = [sorted({line[name] for line in searches}) for name in names]
    shape = [len(level) for level in levels]
    values = np.empty(shape)
    for line in searches:
        place = tuple(level.index(line[n]) for level, n in zip(levels, names, strict=True))
        values[place] = float(line["regret"])
    a, b, c, r = shape
    grand = values.mean()
    within = ((values - values.mean(3, keepdims=True)) ** 2).sum() / (a * b * c * (r - 1))
    sums = []
    for i in range(3):
        level = values.mean(tuple(j for j in range(4) if j != i))
        sums.append(values.size / shape[i] * ((level - grand) ** 2).sum())
    total = r * ((values.mean(3) - grand) ** 2).sum()
    mixed = (total - sum(sums)) / (a * b * c - 1 - sum(shape[i] - 1 for i in range(3)))
    found = {}
    for i, name in enumerate(("signal", "strategy", "λ")):
        square = sums[i] / (shape[i] - 1)
        found[name] = max(0.0, (square - mixed) * shape[i] / values.size)
    found |= {"together": max(0.0, (mixed - within) / r), "seed": within}
    whole = sum(found.values())
    return {name: value / whole for name, value in found.items()} if whole > 0 else {}


# Other people's tables

FAMILIES = "fashion LCDB TabM NAS-Bench-201 GraphGym NAS-Bench-NLP ScAn ViT-Bench".split()
PREFIXES = "fashion lcdb- tabm- nb201- graphgym- nbnlp- scan- vitbench-".split()
PROBABLE = (
    *(
        "LinearDiscriminantAnalysis",
        "QuadraticDiscriminantAnalysis",
        "ExtraTreesClassifier",
    ),
    *(
        "GradientBoostingClassifier",
        "RandomForestClassifier",
        "LogisticRegression",
        "BernoulliNB",
    ),
    *("MultinomialNB", "KNeighborsClassifier", "MLPClassifier", "DecisionTreeClassifier"),
    "ExtraTreeClassifier",
)
"""Learners of LCDB that give probabilities."""
Columns = dict[tuple[str, str, int], Values]
"""By split, ``loss`` or ``measure``, and time, shape (trainings, cells)."""


def runs_of(table: h5py.Group) -> dict[tuple[str, str], dict[float, h5py.Group]]:
    """By split and role the runs of a metric, by the share of the longest."""
    both = (
        m for m in ("error", "rmse", "loss") if {f"valid_{m}", f"test_{m}"} <= set(table)
    )
    measure = next(both, None)
    if measure is None:
        return {}
    names = {
        ("valid", "measure"): f"valid_{measure}",
        ("test", "measure"): f"test_{measure}",
    }
    names["train", "loss"] = "train_rmse" if measure == "rmse" else "train_loss"
    if measure == "error":
        # NAS-Bench-201 has the loss of networks that were trained on half of the data
        half = "test_loss_25k" if "test_loss_25k" in table else "test_loss"
        names |= {("valid", "loss"): "valid_loss", ("test", "loss"): half}
    found = {}
    for key, name in names.items():
        if name in table:
            epochs = {
                int(at) if at.isdecimal() else 1: table[name][at] for at in table[name]
            }
            found[key] = {at / max(epochs): own for at, own in epochs.items()}
            for other in table:
                stem, _, share = other.rpartition("@")
                if stem == name and share.isdecimal():
                    found[key][int(share) / 100] = next(iter(table[other].values()))
    return found


def columns_of(path: Path) -> Columns:
    """Of one cell a class; by seeds where enough cells have several, else the mean of seeds."""
    with h5py.File(path) as file:
        table = file["columns"]
        runs = runs_of(table)
        asked = {(*key, 100): own[1.0] for key, own in runs.items()}
        shares = [s for s in runs.get(("train", "loss"), {}) if 1 / 1.5 <= s / 0.2 <= 1.5]
        if shares:
            nearest = min(shares, key=lambda share: abs(math.log(share / 0.2)))
            asked["train", "loss", 20] = runs["train", "loss"][nearest]
        if not asked:
            return {}
        cells: Any = slice(None)
        if "functional_class" in table:
            cells = np.unique(table["functional_class/any/mean"][()].astype(int))
        seeds = set.intersection(
            *({s for s in run if s.isdecimal()} for run in asked.values())
        )
        for some in (sorted(seeds), ["mean"]):
            found = {
                key: np.array([run[s][()][cells] for s in some])
                for key, run in asked.items()
            }
            whole = whole_of(found)
            if len(some) > 1 and whole.sum() >= min(200, len(whole) / 2):
                break
    return found


def whole_of(columns: dict[Any, Values]) -> Values:
    """Which cells all columns have."""
    return np.all([np.isfinite(values).all(axis=0) for values in columns.values()], axis=0)


def judged(columns: Columns) -> dict[Any, Values]:
    """By signal and goal τ, then what each cell adds to its error; of eight cells or more."""
    whole = whole_of(columns) if columns else np.zeros(0, bool)
    n = int(whole.sum())
    sample = np.random.default_rng(0).permutation(n)[:1500]

    def shares(one: Values, two: Values) -> Values:
        both, *_, scale = concordant(one[sample], two[sample])
        return both * len(both) / scale

    found = {}
    for goal in ("measure", "loss") if n >= 8 else ():
        if ("test", goal, 100) in columns:
            wanted = rest(columns["test", goal, 100][:, whole])
            for key, values in columns.items():
                if key[0] != "test":
                    pair = values[:, whole], wanted
                    parts = 2 * over_seeds(shares, *pair)
                    found[key, goal] = with_error(over_seeds(kendall, *pair), parts, n)
    return found


def with_error(value: float, parts: Values, n: int) -> Values:
    """A number whose variance is that of the mean of n parts."""
    return np.r_[value, (parts - parts.mean()) / math.sqrt(n * (len(parts) - 1))]


def differences(found: dict[Any, Values]) -> dict[str, Values]:
    """The contrasts whose signals a table has."""
    by, loss = ("valid", "measure", 100), ("valid", "loss", 100)
    signals = {
        "valid_loss": loss,
        "train": ("train", "loss", 100),
        "early": ("train", "loss", 20),
    }
    each = {}
    for name, key in signals.items():
        if (key, "measure") in found:
            each[name] = found[key, "measure"] - found[by, "measure"]
    if (loss, "loss") in found:
        each["other_kind"] = found[by, "loss"] - found[loss, "loss"]
        each["kind"] = -(each["valid_loss"] + each["other_kind"]) / 2
    return each


def lost_epochs(path: Path) -> dict[Any, Values]:
    """What a run's test measure loses at the epoch that is chosen within it."""
    lost = defaultdict(list)
    with h5py.File(path) as file:
        unit = str(file["columns/test_loss"].attrs["unit"], "utf-8")
        runs = runs_of(file["columns"])
        at = sorted(runs["test", "measure"])
        for seed in sorted(s for s in runs["test", "measure"][1.0] if s.isdecimal()):
            curves = {
                key: np.array([own[share][seed][()] for share in at])
                for key, own in runs.items()
                if sorted(own) == at
            }
            known, test = whole_of(curves), curves.pop(("test", "measure"))
            chosen = {"the last epoch": np.full(len(known), len(at) - 1)}
            for key, curve in curves.items():
                name = (
                    " ".join(key)
                    .replace("valid", "validation")
                    .replace("train ", "training ")
                )
                chosen[name] = curve.argmin(axis=0)
            for name, epoch in chosen.items():
                more = test[epoch, np.arange(len(known))] - test.min(axis=0)
                lost[name, unit].append(np.where(known, more, np.nan))
    means = {
        key: np.ma.masked_invalid(own).mean(0).compressed() for key, own in lost.items()
    }
    return {key: with_error(own.mean(), own, len(own)) for key, own in means.items()}


def over_tables(source: list[str], each: list[dict[Any, Values]]) -> dict[Any, Line]:
    """Tables of a source are averaged cell by cell; of fewer than three sources the interval is
    over cells.
    """
    lines = {}
    for key in {key: None for own in each for key in own}:
        pairs = [(s, own[key]) for s, own in zip(source, each, strict=True) if key in own]
        means = list(grouped(pairs).values())
        y = np.array([one[0] for one in means])
        v = np.array([(one[1:] ** 2).sum() for one in means])
        few = normal(y.mean(), math.sqrt(v.sum()) / len(y)) | dict(
            plain=y.mean(), sources=len(y)
        )
        ends = few["low"], few["high"]
        if len(y) >= 3:
            ends = stats.t.interval(0.95, len(y) - 1, y.mean(), stats.sem(y))
        line = random_effects(y, v) if len(y) >= 3 else few
        line |= dict(plain_low=ends[0], plain_high=ends[1], tables=len(pairs))
        lines[key] = line
    return lines


def lcdb(path: Path) -> dict[str, Columns]:
    """By set of LCDB the columns: a training is an outer split, the mean over its inner ones; an
    early point is the size nearest to a fifth of the largest.
    """
    splits = ("train", "valid", "test")
    found: dict[str, Columns] = defaultdict(dict)
    with tarfile.open(path) as archive:
        for role, kind, sign in (("measure", "accuracy", -1), ("loss", "logloss", 1)):
            scores = defaultdict(partial(np.full, (3, 5, len(PROBABLE), 5), np.nan))
            file = archive.extractfile(f"lcdb-0.1.0/lcdb/database-{kind}.csv")
            for line in csv.DictReader(io.TextIOWrapper(file)):
                own = scores[line["openmlid"], int(line["size_train"])]
                learner, inner = line["learner"].rpartition(".")[2], int(line["inner_seed"])
                if learner in PROBABLE and inner < 5:
                    told = [
                        sign * float(line[f"score_{split}"] or "nan") for split in splits
                    ]
                    own[:, int(line["outer_seed"]), PROBABLE.index(learner), inner] = told
            for data in {data for data, _ in scores}:
                sizes = np.array(sorted(size for own, size in scores if own == data))
                early = sizes[np.abs(np.log(sizes / sizes[-1] / 0.2)).argmin()]
                for time, size in ((20, early), (100, sizes[-1])):
                    means = np.ma.masked_invalid(scores[data, size]).mean(3).filled(np.nan)
                    for split, values in zip(splits, means, strict=True):
                        if (split, role) == ("train", "loss") or (
                            split != "train" and time == 100
                        ):
                            found[data][split, role, time] = values
    return dict(sorted(found.items()))


def families(home: Path | None) -> dict[str, list[Line]]:
    """The lines of ``replications``, ``outside`` and ``epochs`` by the tables that are here."""
    found: dict[str, list[Line]] = dict(replications=[], outside=[], epochs=[])
    for family, prefix in zip(FAMILIES, PREFIXES, strict=True):
        folder = {"fashion": SHIPPED}.get(family, home and home / "tables")
        paths = sorted(folder.glob(f"{prefix}*.h5")) if folder else []
        if family != "LCDB":
            columns = {path.stem: columns_of(path) for path in paths}
        else:
            columns = dict(*map(lcdb, home.glob("fetched/lcdb/*/*.tar.gz") if home else ()))
        source = [data_set(name) for name in columns]
        each = [judged(own) for own in columns.values()]
        for name, line in over_tables(source, list(map(differences, each))).items():
            found["replications"].append(line | dict(family=family, contrast=name))
        for (*key, goal), line in over_tables(source, each).items():
            about = dict(zip(("split", "quantity", "time"), key[0], strict=True))
            found["outside"].append(about | line | dict(family=family, goal=goal))
        lost = list(map(lost_epochs, paths)) if family == "NAS-Bench-NLP" else []
        for (chooser, unit), line in over_tables(source[: len(lost)], lost).items():
            found["epochs"].append(line | dict(family=family, chosen_by=chooser, unit=unit))
    return found


def data_set(name: str) -> str:
    """TabM's splits of one set are one source."""
    stem, _, split = name.rpartition("-")
    return (
        stem if name.startswith("tabm-") and len(split) == 1 and split.isdigit() else name
    )


# The page's files

KEYS = {
    *(
        "which",
        "length",
        "contrast",
        "source",
        "table",
        "split",
        "quantity",
        "time",
        "goal",
    ),
    *(
        "task",
        "loss",
        "space",
        "signal",
        "component",
        "strategy",
        "piloted",
        "family",
        "chosen_by",
    ),
}
"""Columns that name a line, but for `tolerance`, where the goal is a number."""
GIVEN = {"defined", "differs"}
"""Columns that hold no result."""


def files(data: Path, page: Path, home: Path | None = None) -> dict[str, list[Line]]:
    """The lines of every file of a page, by its name."""
    study = Study(data, page)
    methods = (
        *(study.contrasts, study.besides, study.sources, study.signals, study.kinds),
        *(
            study.losses,
            study.moderator,
            study.left_out,
            study.second_space,
            study.short_runs,
        ),
        *(study.worth, study.tolerance, study.trainings),
    )
    found = {method.__name__: method() for method in methods}
    found["pilot"] = Study(data, page, 0, FIRST).contrasts(in_part=False)
    made = searches(data, study.tables)
    gains = [costs(made, signal, "lambda", "0.0", "signal") for signal in SEARCHED[1:]]
    early = partial(costs, made, "training loss early", "strategy", name="strategy")
    found |= dict(variance=shares(made), gains=sum(gains, []))
    found |= dict(switches=early("hyperband") + early("bo_epochs"))
    return found | dict(optima=optima(data)) | families(home)


SAMPLE = ("digits-macro", "mnist1d-x4", "rotation", "rotation-x0.2", "splice-x8")
"""Shipped tables of every length and space."""


def in_part(data: Path, page: Path) -> dict[str, list[Line]]:
    """The lines and numbers of every file of a page that are computed within seconds.

    Of all tables these are what needs no resamples, of `SAMPLE` all; means over tables are taken of
    the page's own lines.
    """
    points = Study(data, page, resamples=0)
    some = Study(data, page, only=SAMPLE)
    found = {
        name: getattr(points, name)() for name in ("left_out", "moderator", "trainings")
    }
    found |= {
        name: getattr(some, name)() for name in ("signals", "second_space", "short_runs")
    }
    found |= dict(tolerance=points.tolerance(), contrasts=points.points())
    weak = f"without {' and '.join(WEAK)}"
    found["besides"] = points.points("with tasks that are noise", noise=True)
    found["besides"] += points.points(weak, without=WEAK)
    found["pilot"] = Study(data, page, 0, FIRST, resamples=0).points()
    others = {(one.length, one.source) for one in points.tables if one.name not in SAMPLE}
    own = [
        line for line in some.sources() if (line["length"], line["source"]) not in others
    ]
    found |= dict(sources=own, kinds=points.kinds(rows(page / "data/signals.csv")))
    found["losses"] = [
        {k: v for k, v in line.items() if k != "holm"} for line in some.losses()
    ]
    made = searches(data, points.tables)
    gains = [costs(made, signal, "lambda", "0.0", "signal") for signal in SEARCHED[1:]]
    early = partial(costs, made, "training loss early", "strategy", name="strategy")
    found |= dict(variance=shares(made), gains=sum(gains, []))
    found |= dict(switches=early("hyperband") + early("bo_epochs"))
    return found | dict(optima=optima(data)) | families(None)


def differing_in_part(own: list[Line], told: list[dict[str, str]]) -> list[str]:
    """What a file of the page says otherwise in the lines and columns that were computed again."""
    heads = list(told[0]) if told else []
    keys = ["rule"] if "rule" in heads else [name for name in heads if name in KEYS]
    by_key = {tuple(printed(line[name]) for name in keys): line for line in told}
    found = []
    for line in own:
        key = tuple(printed(line[name]) for name in keys)
        for column in set(heads) & set(line) - GIVEN:
            if not agrees(by_key[key][column], line[column]):
                found.append(f"{key} {column}: {by_key[key][column]}, not {line[column]}")
    return found


def differing(own: list[Line], told: list[dict[str, str]]) -> list[str]:
    """What a file of the page says otherwise: lines and numbers."""
    heads = list(told[0]) if told else []
    keys = ["rule"] if "rule" in heads else [name for name in heads if name in KEYS]
    by_key = {tuple(printed(line[name]) for name in keys): line for line in own}
    found = [f"{len(told)} lines, not {len(own)}"] if len(told) != len(own) else []
    for line in told:
        key = tuple(printed(line[name]) for name in keys)
        if key not in by_key:
            found.append(f"{key} is not here")
            continue
        for column, text in line.items():
            if column not in GIVEN and not agrees(text, by_key[key][column]):
                found.append(f"{key} {column}: {text}, not {by_key[key][column]}")
    return found


def printed(value: Any) -> str:
    """A key as all files print it: 1 and 1.0 are one length."""
    return str(value).removesuffix(".0")


def agrees(text: str, value: Any) -> bool:
    """To four digits or five decimals, more than the page prints; it sums in single precision."""
    if value is None or isinstance(value, str | bool | np.bool_):
        return text == ("" if value is None else str(value))
    if not text or math.isnan(value):
        return not text and math.isnan(value)
    return math.isclose(float(text), value, rel_tol=2e-4, abs_tol=2e-6)


def main() -> int:
    if len(sys.argv) not in (3, 4) or not (Path(sys.argv[2]) / "data").is_dir():
        sys.stderr.write(
            "Give a folder of tables, and that of a page that make answer wrote of them.\n"
        )
        return 2
    data, page, *home = map(Path, sys.argv[1:])
    wrong = 0
    for name, own in files(data, page, *home).items():
        told = rows(page / "data" / f"{name}.csv")
        found = differing(own, told)
        wrong += len(found)
        said = [f"{name}: {len(told)} lines, {len(found)} differences", *found[:9]]
        sys.stdout.write("\n  ".join(said) + "\n")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
