"""The page's numbers again, by h5py, NumPy and SciPy alone, from the protocol's text.

Nothing of `analysis.answer` is imported. Of the page's files, ``classes.csv`` is read for which
cell stands at which place of the random order and its parameters; the rest is from the tables.
"""

from __future__ import annotations

import base64
import csv
import io
import itertools
import json
import math
import tarfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from scipy import optimize, stats
from scipy.special import comb

FIRST, CLASSES = 50, 100
NAMES = ("valid_loss", "train", "early", "kind")
TIMES = (10, 20, 50, 100)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


class Table:
    """One file: ``columns[loss, name, time]`` has shape (seeds, classes), smaller is better."""

    def __init__(self, path: Path, order: dict[str, int]) -> None:
        with h5py.File(path) as file:
            index = json.loads(file["index"][()].tobytes())
            raw = file["values"][()].astype(np.int64)
        texts = index["texts"]
        card = json.loads(texts["card"])
        self.name, self.task, self.length = path.stem, card["task"], card["length"]
        self.usual = texts["objective"].split("@")[1].split(" ")[0]
        self.measure = card["judged_by"].removeprefix("valid_")
        held = base64.b64decode(json.loads(texts["space"])["held"])
        cells = ["".join(map(str, held[i : i + 6])) for i in range(0, len(held), 6)]
        places = [order.get(cell, -1) - FIRST for cell in cells]
        raw = raw.reshape(-1, len(cells))
        values = (raw % 65536 - 32768) * 10.0 ** (raw // 65536 - 1024)
        values[raw == np.iinfo(np.int32).min] = np.nan
        found: dict[Any, dict[int, np.ndarray]] = defaultdict(dict)
        lines = iter(values)
        for metric, entry in index["metrics"].items():
            name, loss = metric.split("@")
            last = max(epochs for epochs, _ in entry["columns"])
            sign = -1 if entry["details"]["quantity"] == "quality" else 1
            for epochs, seed in entry["columns"]:
                row = np.full(CLASSES, np.nan)
                for place, value in zip(places, next(lines), strict=True):
                    if 0 <= place < CLASSES:
                        row[place] = sign * value
                for time in self._times(name, epochs, last):
                    found[loss, name.removesuffix(f"_{time}"), time][seed] = row
        made = found[self.usual, "diverged", 100]
        here = np.array([np.isfinite(row) for row in made.values()])
        self.seeds = [
            s for s, row in zip(made, here, strict=True) if 2 * row.sum() >= here.any(0).sum()
        ]
        self.places = np.flatnonzero(np.all([np.isfinite(made[s]) for s in self.seeds], axis=0))
        self.columns = {}
        for key, own in found.items():
            filled = []
            for seed in self.seeds:
                row = own.get(seed, np.full(CLASSES, np.nan)).copy()
                known = np.isfinite(found[key[0], "diverged", 100].get(seed, row * np.nan))
                row[known & ~np.isfinite(row)] = (
                    np.nanmax(row) if np.isfinite(row).any() else np.nan
                )
                filled.append(row[self.places])
            self.columns[key] = np.array(filled)

    @staticmethod
    def _times(name: str, epochs: int, last: int) -> list[Any]:
        for ending in ("late", "mean"):
            if name.endswith(f"_{ending}"):
                return [ending]
        if name == "diverged":
            return [100]
        return [time for time in TIMES if epochs == math.ceil(time * last / 100 - 1e-12)]

    def get(self, name: str, time: Any = 100, loss: str = "") -> np.ndarray:
        return self.columns[loss or self.usual, name, time]


def rest(goal: np.ndarray) -> np.ndarray:
    """The mean of the other seeds."""
    n = len(goal)
    return np.array([np.round(goal[[i for i in range(n) if i != s]].mean(0), 12) for s in range(n)])


def weighted_tau(one: np.ndarray, two: np.ndarray, weights: np.ndarray) -> np.ndarray:
    i, j = np.triu_indices(len(one), 1)
    a, b = np.sign(one[i] - one[j]), np.sign(two[i] - two[j])
    pairs = weights[:, i] * weights[:, j]
    below = (pairs @ a**2) * (pairs @ b**2)
    return np.where(below > 0, (pairs @ (a * b)) / np.sqrt(np.where(below > 0, below, 1)), 0.0)


def tau(signal: np.ndarray, goal: np.ndarray) -> float:
    each = [stats.kendalltau(a, b).statistic for a, b in zip(signal, rest(goal), strict=True)]
    return float(np.mean(np.nan_to_num(each)))


def resampled(signal: np.ndarray, goal: np.ndarray, weights: np.ndarray) -> np.ndarray:
    each = [weighted_tau(a, b, weights) for a, b in zip(signal, rest(goal), strict=True)]
    return np.mean(each, axis=0)


def regret(signal: np.ndarray, goal: np.ndarray, halves: list[np.ndarray]) -> float:
    lost = []
    for seen, wanted in zip(signal, rest(goal), strict=True):
        for half in halves:
            tied = half[seen[half] == seen[half].min()]
            lost.append(wanted[tied].mean() - wanted[half].min())
    return float(np.mean(lost))


def expected_pick(seen: np.ndarray, wanted: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """The mean goal of the pick over all halves of the drawn classes, a resample a row."""
    found = []
    for drawn in draws:
        every = np.repeat(np.arange(len(seen)), drawn)
        every = every[np.argsort(seen[every], kind="stable")]
        n = len(every)
        chance = comb(n - 1 - np.arange(n), n // 2 - 1) / comb(n, n // 2)
        starts = np.flatnonzero(np.r_[True, np.diff(seen[every]) > 0])
        sizes = np.diff(np.r_[starts, n])
        mean = np.add.reduceat(wanted[every], starts) / sizes
        found.append((np.add.reduceat(chance, starts) * mean).sum())
    return np.array(found)


def sd_of_seeds(goal: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.var(goal, axis=0, ddof=1))))


def four(table: Table, value: Any) -> dict[str, Any]:
    """The four contrasts of a function of signal and goal."""
    m = table.measure
    goal, on_loss = table.get(f"test_{m}"), table.get("test_loss")
    reference = value(table.get(f"valid_{m}"), goal)
    loss = value(table.get("valid_loss"), goal) - reference
    other = value(table.get("valid_loss"), on_loss) - value(table.get(f"valid_{m}"), on_loss)
    train = value(table.get("train_loss"), goal) - reference
    early = value(table.get("train_loss", 20), goal) - reference
    return {"valid_loss": loss, "train": train, "early": early, "kind": (other - loss) / 2}


def random_effects(y: np.ndarray, v: np.ndarray) -> dict[str, float]:
    k = len(y)

    def mean(t: float) -> float:
        return float((y / (v + t)).sum() / (1 / (v + t)).sum())

    def excess(t: float) -> float:
        return float(((y - mean(t)) ** 2 / (v + t)).sum() - (k - 1))

    t = optimize.brentq(excess, 0, 10, xtol=1e-16) if excess(0) > 0 else 0.0
    w = 1 / (v + t)
    error = math.sqrt((w * (y - mean(t)) ** 2).sum() / ((k - 1) * w.sum()))
    reach, far = stats.t.ppf(0.975, k - 1), stats.t.ppf(0.975, k - 2)
    new = far * math.sqrt(t + error**2)
    m = mean(t)
    return {
        "difference": m,
        "low": m - reach * error,
        "high": m + reach * error,
        "new_low": m - new,
        "new_high": m + new,
        "between": math.sqrt(t),
        "p": 2 * stats.t.sf(abs(m) / error, k - 1),
        "error": error,
    }


def hall(y: np.ndarray, level: float) -> tuple[float, float]:
    n, s = len(y), stats.sem(y)
    k = stats.skew(y, bias=False) / math.sqrt(n)
    # Σ(y−ȳ)³/((n−1)(n−2)n)/s³ of VERDICT equals the unbiased skewness over √n
    q = stats.t.ppf(1 - level / 2, n - 1)
    ends = [3 / k * (np.cbrt(1 + k * (x - k / 6)) - 1) if abs(k) > 1e-9 else x for x in (q, -q)]
    return float(y.mean() - s * ends[0]), float(y.mean() - s * ends[1])


class Study:
    """All of a folder."""

    def __init__(self, data: Path, page: Path, sources: dict[str, str]) -> None:
        lines = rows(page / "data" / "classes.csv")
        order = {line["cell"]: int(line["place"]) for line in lines}
        self.params = {(line["table"], int(line["place"])): float(line["params"]) for line in lines}
        self.tables = [Table(path, order) for path in sorted(data.glob("*.h5"))]
        self.sources = sources
        drawn = np.random.default_rng(0).multinomial(CLASSES, np.full(CLASSES, 1 / CLASSES), 1000)
        self.weights = np.vstack([np.ones(CLASSES, dtype=int), drawn])
        rng = np.random.default_rng(1)
        self.halves = [np.sort(rng.permutation(CLASSES)[: CLASSES // 2]) for _ in range(400)]
        self.taus = {table.name: self._taus(table) for table in self.tables}
        self.costs = {table.name: self._costs(table) for table in self.tables}

    def halves_of(self, table: Table) -> list[np.ndarray]:
        place = {p: i for i, p in enumerate(table.places)}
        return [np.array([place[p] for p in half if p in place]) for half in self.halves]

    def noise(self, table: Table) -> float:
        final = table.get(f"valid_{table.measure}")
        pairs = itertools.combinations(final, 2)
        return float(np.mean([stats.kendalltau(a, b).statistic for a, b in pairs]))

    def is_one(self, table: Table) -> bool:
        pairs = zip(table.get("valid_loss"), table.get(f"valid_{table.measure}"), strict=True)
        return bool(np.mean([stats.kendalltau(a, b).statistic for a, b in pairs]) >= 0.98)

    def _kept(self, table: Table, found: dict[str, Any]) -> dict[str, Any]:
        out = ("valid_loss", "kind") if self.is_one(table) else ()
        return {name: value for name, value in found.items() if name not in out}

    def _taus(self, table: Table) -> dict[str, np.ndarray]:
        weights = self.weights[:, table.places].astype(float)
        return self._kept(table, four(table, lambda s, g: resampled(s, g, weights)))

    def _costs(self, table: Table) -> dict[str, np.ndarray]:
        draws, halves = self.weights[:, table.places], self.halves_of(table)

        def cost(signal: np.ndarray, goal: np.ndarray) -> np.ndarray:
            each = [
                expected_pick(s, g, draws) - expected_pick(g, g, draws)
                for s, g in zip(signal, rest(goal), strict=True)
            ]
            found = np.mean(each, axis=0)
            found[0] = regret(signal, goal, halves)
            return found / sd_of_seeds(goal)

        return self._kept(table, four(table, cost))

    def of_length(self, length: float, *, noise: bool = False) -> list[Table]:
        own = [table for table in self.tables if table.length == length]
        return [table for table in own if noise or self.noise(table) >= 0.3]

    def by_source(
        self, tables: list[Table], values: dict[str, dict[str, np.ndarray]], name: str
    ) -> dict[str, np.ndarray]:
        found = defaultdict(list)
        for table in tables:
            if name in values[table.name]:
                found[self.sources[table.task]].append(values[table.name][name])
        return {source: np.mean(own, axis=0) for source, own in found.items()}

    def contrasts(self, length: float) -> dict[str, dict[str, Any]]:
        """By contrast what a line of ``contrasts.csv`` says."""
        own = self.of_length(length)
        lines: dict[str, dict[str, Any]] = {}
        arrays = {}
        for name in NAMES:
            values = np.array(list(self.by_source(own, self.taus, name).values()))
            if len(values) >= 3:
                arrays[name] = values
                lines[name] = random_effects(values[:, 0], values[:, 1:].var(1, ddof=1))
                lines[name] |= {"sources": len(values), "plain": values[:, 0].mean()}
        ordered = sorted(lines, key=lambda name: lines[name]["p"])
        so_far = 0.0
        for step, name in enumerate(ordered):
            line, level = lines[name], 0.05 / (len(ordered) - step)
            so_far = max(so_far, min(1.0, (len(ordered) - step) * line["p"]))
            low, high = hall(arrays[name][:, 0], level)
            decided = so_far < 0.05 and not low <= 0 <= high
            k = line["sources"]
            power = (stats.t.ppf(1 - level / 2, k - 1) + stats.norm.ppf(0.8)) * line.pop("error")
            line |= {"holm": so_far, "level": level, "hall_low": low, "hall_high": high}
            line |= {"decided": decided, "detectable": power}
            line |= {"negligible": line["low"] > -0.05 and line["high"] < 0.05}
            self._two_level(line, arrays[name][:, 1:])
            costs = np.array(list(self.by_source(own, self.costs, name).values()))
            cost = random_effects(costs[:, 0], costs[:, 1:].var(1, ddof=1))
            inside = hall(costs[:, 0], level)
            passes = cost["p"] < level and not inside[0] <= 0 <= inside[1]
            line |= {"regret": cost["difference"], "regret_low": cost["low"]}
            line |= {"regret_high": cost["high"], "regret_decided": bool(decided and passes)}
            line["regret_p"] = cost["p"] if decided else math.nan
        return lines

    @staticmethod
    def _two_level(line: dict[str, Any], values: np.ndarray) -> None:
        rng = np.random.default_rng(3)
        k, n = values.shape
        chosen = rng.integers(k, size=(10_000, k))
        which = rng.integers(n, size=(10_000, 1))
        means = values[chosen, which].mean(1)
        line["two_level_low"], line["two_level_high"] = np.quantile(means, [0.025, 0.975])


def components(searches: list[dict[str, str]]) -> dict[str, float]:
    """Shares of the variance of one task's regrets."""
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
    total = r * ((values.mean(3) - grand) ** 2).sum()
    sums = [
        values.size
        / shape[i]
        * ((values.mean(tuple(j for j in range(4) if j != i)) - grand) ** 2).sum()
        for i in range(3)
    ]
    left = a * b * c - 1 - sum(shape[i] - 1 for i in range(3))
    mixed = (total - sum(sums)) / left
    found = {}
    for i, name in enumerate(("signal", "strategy", "λ")):
        square = sums[i] / (shape[i] - 1)
        found[name] = max(0.0, (square - mixed) * shape[i] / values.size)
    found |= {"together": max(0.0, (mixed - within) / r), "seed": within}
    whole = sum(found.values())
    return {name: value / whole for name, value in found.items()}


def parts_of_tau(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """What each cell adds to τ_b, in the mean over cells."""
    n = len(one)
    both = np.zeros(n)
    untied = [0, 0]
    for i, j in itertools.permutations(range(n), 2):
        a, b = np.sign(one[i] - one[j]), np.sign(two[i] - two[j])
        both[i] += a * b
        untied[0] += abs(a)
        untied[1] += abs(b)
    return both * n / math.sqrt(untied[0] * untied[1])


def mean_parts(signal: np.ndarray, goal: np.ndarray) -> np.ndarray:
    return np.mean([parts_of_tau(a, b) for a, b in zip(signal, rest(goal), strict=True)], axis=0)


def lcdb(path: Path, learners: tuple[str, ...]) -> dict[str, dict[str, float]]:
    """By contrast the mean over the sets of an archive of LCDB: of learners that give
    probabilities, after the largest size and after about a fifth of it.
    """
    sheets = {}
    with tarfile.open(path) as archive:
        for kind in ("accuracy", "logloss"):
            file = archive.extractfile(f"lcdb-0.1.0/lcdb/database-{kind}.csv")
            assert file is not None
            sheets[kind] = list(csv.DictReader(io.TextIOWrapper(file)))
    differences: dict[str, list[np.ndarray]] = defaultdict(list)
    for data in sorted({line["openmlid"] for line in sheets["accuracy"]}):
        found: dict[tuple[str, str, int], np.ndarray] = {}
        for kind, lines in sheets.items():
            own = [line for line in lines if line["openmlid"] == data]
            sizes = sorted({int(line["size_train"]) for line in own})
            early = min(sizes, key=lambda size: abs(math.log(size / sizes[-1] / 0.2)))
            for split, size in itertools.product(("train", "valid", "test"), (early, sizes[-1])):
                values = np.full((5, len(learners), 5), np.nan)
                for line in own:
                    name = line["learner"].split(".")[-1]
                    if int(line["size_train"]) == size and name in learners:
                        place = int(line["outer_seed"]), learners.index(name)
                        sign = -1 if kind == "accuracy" else 1
                        values[*place, int(line["inner_seed"])] = sign * float(
                            line[f"score_{split}"]
                        )
                n = np.isfinite(values).sum(axis=2)
                mean = np.where(n > 0, np.nansum(values, axis=2) / np.maximum(n, 1), np.nan)
                found[kind, split, 20 if size == early else 100] = mean
        known = np.all([np.isfinite(one).all(axis=0) for one in found.values()], axis=0)
        found = {key: one[:, known] for key, one in found.items()}
        goal, on_loss = found["accuracy", "test", 100], found["logloss", "test", 100]
        measure, loss = found["accuracy", "valid", 100], found["logloss", "valid", 100]
        by = mean_parts(measure, goal)
        each = {
            "valid_loss": mean_parts(loss, goal) - by,
            "train": mean_parts(found["logloss", "train", 100], goal) - by,
            "early": mean_parts(found["logloss", "train", 20], goal) - by,
            "other_kind": mean_parts(measure, on_loss) - mean_parts(loss, on_loss),
        }
        each["kind"] = -(each["valid_loss"] + each["other_kind"]) / 2
        for name, parts in each.items():
            differences[name].append(parts)
    lines = {}
    for name, own in differences.items():
        y = np.array([parts.mean() for parts in own])
        v = np.array([4 * parts.var(ddof=1) / len(parts) for parts in own])
        lines[name] = random_effects(y, v) | {"plain": y.mean(), "sources": len(y)}
    return lines
