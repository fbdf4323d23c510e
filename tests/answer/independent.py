"""The page's numbers again, by h5py, NumPy, pandas and SciPy alone, from what is shipped.

Nothing of the package or of the study's code is imported: the rules are written anew from
``analysis/losses_protocol.md`` and the page's text. Of the page's own files two are read besides
being checked: ``classes.csv`` for parameters, ``trainings.csv`` for what the design wants. Not
computed again is ``controls.csv``, whose studies are drawn at random.
"""

from __future__ import annotations

import base64
import csv
import itertools
import json
import math
import random
import tarfile
from collections import defaultdict
from collections.abc import Collection
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
from scipy import optimize, special, stats

SHIPPED = Path(__file__).parents[2] / "data"
FIRST, CLASSES = 50, 100
NAMES = ("valid_loss", "train", "early", "matched")
LENGTHS = (1, 4, 8)
TIMES = (10, 20, 50, 100)
WEAK = ("languages", "cartpole")
SMALL = 1e-12
Line = dict[str, Any]
Values = np.ndarray


# Tables: smaller is better in all that is read


def rows(path):
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@cache
def sources():
    """By task the source of its data."""
    lines = rows(SHIPPED / "sources.csv")
    return {task: line["source"] for line in lines for task in line["tasks"].split()}


@cache
def order_of(space):
    """The place of every class in the random order, by the options of its first cell."""
    if space == "macro":
        cells = list(itertools.product(range(6), repeat=2))
        first = np.arange(len(cells))
    else:  # NAS-Bench-201's official order, and functional classes as `fashion` has them
        cells = list(itertools.product(range(5), repeat=6))
        random.Random(88).shuffle(cells)
        with h5py.File(SHIPPED / "fashion.h5") as file:
            first = np.unique(file["columns/functional_class/any/mean"][()].astype(int))
    order = np.random.default_rng(0).permutation(first)
    return {cells[at]: place for place, at in enumerate(order)}


def numbers(raw, metrics):
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
    table has if no places are given. A training that diverged has the worst value of its column.
    """

    def __init__(self, path: Path, places: range | None) -> None:
        with h5py.File(path) as file:
            index = json.loads(file["index"][()].tobytes())
            raw = file["values"][()].astype(np.int64)
            self.digest = str(file.attrs["digest"], "ascii")
        texts, metrics = index["texts"], index["metrics"]
        card, space = json.loads(texts["card"]), json.loads(texts["space"])
        self.name, self.task, self.length = (
            path.stem,
            card["task"],
            card.get("length", 1),
        )
        self.source, self.space = sources()[self.task], space["of"]
        self.usual = texts["objective"].split("@")[1].split(" ")[0]
        self.measure = card["judged_by"].removeprefix("valid_")
        self.unit = metrics[f"test_{self.measure}@{self.usual}"]["details"]["unit"]
        order = order_of(self.space)
        held = np.frombuffer(base64.b64decode(space["held"]), np.uint8)
        cells = held.reshape(-1, len(next(iter(order)))).tolist()
        at = np.arange(len(cells))
        if places is not None:
            first = 0 if self.space == "macro" else places.start
            at = np.array([order[tuple(cell)] - first for cell in cells])
        n = len(at if places is None else places)
        values = numbers(raw.reshape(-1, len(cells)), metrics.values())
        wide = np.full((len(values), n), np.nan)
        here = (0 <= at) & (at < n)
        wide[:, at[here]] = values[:, here]

        found: dict[Any, dict[int, Values]] = defaultdict(dict)
        lines = iter(wide)
        for metric, entry in metrics.items():
            name, loss = metric.split("@")
            last = max(epochs for epochs, _ in entry["columns"])
            sign = -1 if entry["details"]["quantity"] == "quality" else 1
            ending = name.rpartition("_")[2]
            for epochs, seed in entry["columns"]:
                row = sign * next(lines)
                times = [
                    t for t in TIMES if epochs == math.ceil(t * last / 100 - SMALL)
                ]
                for time in [ending] if ending in ("late", "mean") else times:
                    found[loss, name.removesuffix(f"_{time}"), time][seed] = row
        made = {
            loss: {
                seed: np.isfinite(row) for seed, row in found[loss, name, 100].items()
            }
            for loss, name, _ in list(found)
            if name == "diverged"
        }
        self.trained = {
            loss: int(sum(map(sum, own.values()))) for loss, own in made.items()
        }
        usual, never = made[self.usual], np.zeros(n, bool)
        some = np.any(list(usual.values()), axis=0).sum()
        seeds = sorted(s for s, known in usual.items() if 2 * known.sum() >= some > 0)
        self.places = np.flatnonzero(
            np.all([usual[s] for s in seeds] or [never], axis=0)
        )
        self.is_usable = len(seeds) >= 2 and len(self.places) >= 10

        def filled(row, known):
            worst = np.nanmax(row) if np.isfinite(row).any() else np.nan
            return np.where(known & np.isnan(row), worst, row)[self.places]

        none = np.full(n, np.nan)
        self.columns = {
            key: np.array(
                [filled(own.get(s, none), made[key[0]].get(s, never)) for s in seeds]
            )
            for key, own in found.items()
        }

    def get(self, name, time=100, loss=""):
        return self.columns[loss or self.usual, name, time]

    @property
    def goal(self):
        return self.get(f"test_{self.measure}")

    @property
    def signals(self):
        """Split, quantity and time of what a search may see of the usual loss's runs."""
        keys = [
            (*name.split("_", 1), time)
            for loss, name, time in self.columns
            if loss == self.usual and "_" in name
        ]
        known = {key[1] for key in keys if key[::2] == ("valid", 100)} - {"seconds"}
        return [
            key
            for key in keys
            if key[1] in known and (key[0] == "valid" or key[:2] == ("train", "loss"))
        ]


# Orders: signals and goals have shape (seeds, classes)


def rest(goal):
    """By seed the mean of the other seeds; of one training, itself."""
    if len(goal) == 1:
        return goal
    return np.round(
        [np.delete(goal, s, axis=0).mean(axis=0) for s in range(len(goal))], 12
    )


def over_seeds(value, one, two):
    """The mean over pairs of rows."""
    return np.mean([value(a, b) for a, b in zip(one, two, strict=True)], axis=0)


def kendall(one, two):
    """τ_b; 0 where all values of one tie."""
    return float(
        np.nan_to_num(stats.kendalltau(one, two, method="asymptotic").statistic)
    )


def alike(values):
    """The mean τ of two seeds."""
    return float(np.mean([kendall(*two) for two in itertools.combinations(values, 2)]))


def quarter(seen, wanted):
    """τ of one seed in the best quarter of the classes."""
    best = np.argsort(wanted, kind="stable")[: len(wanted) // 4]
    return kendall(seen[best], wanted[best])


def pairs_of(weights):
    """How often each pair of classes is drawn, a resample a row."""
    i, j = np.triu_indices(weights.shape[1], 1)
    return weights[:, i].astype(float) * weights[:, j]


def resampled(signal, goal, pairs):
    def tau(one, two):
        i, j = np.triu_indices(len(one), 1)
        a, b = np.sign(one[i] - one[j]), np.sign(two[i] - two[j])
        below = np.sqrt((pairs @ a**2) * (pairs @ b**2))
        return np.divide(pairs @ (a * b), below, np.zeros(len(pairs)), where=below > 0)

    return np.asarray(over_seeds(tau, signal, rest(goal)))


def regret(signal, goal, halves):
    """The mean goal of the pick among random halves, less that of the best of them; ties share."""

    def lost(seen, wanted):
        inside = np.where(halves, seen, np.inf)
        tied = inside == inside.min(axis=1, keepdims=True)
        got = tied @ wanted / tied.sum(axis=1)
        return float(np.mean(got - np.where(halves, wanted, np.inf).min(axis=1)))

    return float(over_seeds(lost, signal, rest(goal)))


def expected_pick(seen, wanted, draws):
    """The mean goal of the pick over all halves of the drawn classes, a resample a row."""
    found = []
    for drawn in draws:
        every = np.repeat(np.arange(len(seen)), drawn)
        every = every[np.argsort(seen[every], kind="stable")]
        n, starts = (
            len(every),
            np.flatnonzero(np.diff(seen[every], prepend=-np.inf) > 0),
        )
        mean = np.add.reduceat(wanted[every], starts) / np.diff(starts, append=n)
        found.append(np.add.reduceat(_chances(n), starts) @ mean)
    return np.array(found)


@cache
def _chances(n):
    """By place in an order the chance to be the first of a random half."""
    return special.comb(n - 1 - np.arange(n), n // 2 - 1) / special.comb(n, n // 2)


def sd_of_seeds(goal):
    return math.sqrt(np.var(goal, axis=0, ddof=1).mean()) or 1.0


# Means of sources


def random_effects(y, v):
    """Paule and Mandel's variance between sources, Hartung and Knapp's interval and test."""
    k, v = len(y), np.maximum(v, SMALL)

    def excess(t):
        mean = np.average(y, weights=1 / (v + t))
        return float(((y - mean) ** 2 / (v + t)).sum() - (k - 1))

    t = optimize.brentq(excess, 0, 1e4, xtol=1e-16) if excess(0) > 0 else 0.0
    w = 1 / (v + t)
    m = np.average(y, weights=w)
    error = max(math.sqrt((w * (y - m) ** 2).sum() / ((k - 1) * w.sum())), SMALL)
    reach = stats.t.ppf(0.975, k - 1) * error
    new = stats.t.ppf(0.975, k - 2) * math.sqrt(t + error**2)
    line = dict(sources=k, difference=m, low=m - reach, high=m + reach, plain=y.mean())
    line |= dict(new_low=m - new, new_high=m + new, between=math.sqrt(t), error=error)
    return line | dict(p=2 * stats.t.sf(abs(m) / error, k - 1))


def resampled_effects(values):
    """The same of sources with their resamples, shape (sources, 1 + resamples)."""
    return random_effects(values[:, 0], values[:, 1:].var(1, ddof=1))


def told_apart(y, error):
    """How many sources are below, not told apart from, and above 0, by Holm."""
    p = holm([2 * stats.norm.sf(abs(one)) for one in y / np.maximum(error, SMALL)])[0]
    below, above = (
        sum(b < 0.05 for b, one in zip(p, y, strict=True) if sign * one > 0)
        for sign in (-1, 1)
    )
    return dict(worse=below, better=above, same=len(y) - below - above)


def hall(y, level):
    n, s = len(y), stats.sem(y)
    # Σ(y−ȳ)³/((n−1)(n−2)n)/s³ of VERDICT equals the unbiased skewness over √n
    k = stats.skew(y, bias=False) / math.sqrt(n)
    q = stats.t.ppf(1 - level / 2, n - 1) * np.array([1, -1])
    if abs(k) > 1e-9:
        q = 3 / k * (np.cbrt(1 + k * (q - k / 6)) - 1)
    return tuple(y.mean() - s * q)


def holm(p):
    """Adjusted p-values, and the level of each one's step."""
    order, left = np.argsort(p, kind="stable"), np.arange(len(p), 0, -1)
    after, level = np.empty((2, len(p)))
    after[order] = np.maximum.accumulate(np.minimum(np.sort(p) * left, 1))
    level[order] = 0.05 / left
    return after, level


def normal(difference, error):
    """A difference with its interval of 95 %."""
    reach = stats.norm.ppf(0.975) * error
    return dict(difference=difference, low=difference - reach, high=difference + reach)


def over_classes(values):
    return normal(values[0], values[1:].std(ddof=1))


def two_level(values):
    """Sources are drawn, then resamples of classes."""
    rng = np.random.default_rng(3)
    k, n = values.shape
    chosen = rng.integers(k, size=(10_000, k))
    means = values[chosen, rng.integers(n, size=(10_000, 1))].mean(1)
    return np.quantile(means, [0.025, 0.975])


def grouped(pairs):
    """The mean by source of what its tables have."""
    found = defaultdict(list)
    for source, value in pairs:
        found[source].append(value)
    return {source: np.mean(own, axis=0) for source, own in found.items()}


# This project's tables


class Study:
    """The tables of a folder, at some places of the random order of classes.

    A method that is named as a file of the page gives its lines. `only` names some tables.
    """

    def __init__(
        self,
        data: Path,
        page: Path,
        resamples: int,
        first: int = FIRST,
        n: int = CLASSES,
        only: Collection[str] = (),
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

    def _judge(self, table):
        final = table.get(f"valid_{table.measure}")
        self.agreement[table.name] = alike(final)
        self.same[table.name] = over_seeds(kendall, table.get("valid_loss"), final)
        draws = self.weights[:, table.places]
        pairs, halves = pairs_of(draws), self.halves[:, table.places]
        pick = partial(expected_pick, draws=draws)
        best = cache(lambda name: over_seeds(pick, *[rest(table.get(name))] * 2))

        def cost(signal, goal):
            wanted = table.get(goal)
            found = over_seeds(pick, signal, rest(wanted)) - best(goal)
            found[0] = regret(signal, wanted, halves)
            return np.asarray(found / sd_of_seeds(wanted))

        def own(signal, goal):
            return resampled(signal, table.get(goal), pairs)

        self.costs[table.name] = self._four(table, cost)
        self.taus[table.name] = self._four(table, own)

    def _four(self, table, value):
        """The four contrasts; two where loss and measure are one quantity."""
        measure, loss = table.get(f"valid_{table.measure}"), table.get("valid_loss")
        goal = f"test_{table.measure}"
        reference = value(measure, goal)
        found = dict(train=value(table.get("train_loss"), goal) - reference)
        found["early"] = value(table.get("train_loss", 20), goal) - reference
        if self.same[table.name] < 0.98:
            found["valid_loss"] = value(loss, goal) - reference
            matched = value(loss, "test_loss") - value(measure, "test_loss")
            found["matched"] = (matched - found["valid_loss"]) / 2
        return found

    def of_length(self, length, noise=False, without=()):
        return [
            one
            for one in self.tables
            if (one.length, one.space) == (length, "nb201")
            and one.task not in without
            and (noise or self.agreement[one.name] >= 0.3)
        ]

    def _by_source(self, tables, values, name):
        own = [table for table in tables if name in values[table.name]]
        return grouped((table.source, values[table.name][name]) for table in own)

    def trainings(self):
        here = {
            (one.name, loss): n
            for one in self.tables
            for loss, n in one.trained.items()
        }
        told = rows(self.page / "data/trainings.csv")
        wanted = {(line["table"], line["loss"]): int(line["wanted"]) for line in told}
        return [
            dict(
                table=key[0],
                loss=key[1],
                here=here.get(key, 0),
                wanted=wanted.get(key, 0),
            )
            for key in sorted({*here, *wanted})
        ]

    def contrasts(self, in_part=True, **tasks):
        """Lengths of which trainings lack decide nothing, unless they are told as they are."""
        lacking = {
            one["table"] for one in self.trainings() if one["here"] < one["wanted"]
        }
        lines = []
        for length in LENGTHS:
            ending = "" if length == 1 else f"-x{length}"
            whole = not (
                in_part and lacking & {f"{task}{ending}" for task in sources()}
            )
            for line in self._contrasts(self.of_length(length, **tasks)):
                for name in ("decided", "regret_decided", "negligible"):
                    line[name] = bool(line[name] and whole)
                lines.append(line | dict(length=length, whole=whole))
        return lines

    def _contrasts(self, tables):
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
            reach = stats.t.ppf(1 - level / 2, line["sources"] - 1) + stats.norm.ppf(
                0.8
            )
            line.update(contrast=name, decided=decided, holm=after, level=level)
            line.update(hall_low=low, hall_high=high, detectable=reach * line["error"])
            line.update(negligible=-0.05 < line["low"] and line["high"] < 0.05)
            line["two_level_low"], line["two_level_high"] = two_level(taus[name][:, 1:])
            line.update(
                told_apart(taus[name][:, 0], taus[name][:, 1:].std(axis=1, ddof=1))
            )
            line["tasks"] = sum(name in self.taus[table.name] for table in tables)
            # the gatekeeper: regret is tested where τ is decided
            costs = np.array(list(self._by_source(tables, self.costs, name).values()))
            cost, (low, high) = resampled_effects(costs), hall(costs[:, 0], level)
            passes = cost["p"] < level and not low <= 0 <= high
            line.update(regret_decided=decided and passes, regret=cost["difference"])
            line.update(regret_low=cost["low"], regret_high=cost["high"])
            line["regret_p"] = cost["p"] if decided else math.nan
        return list(lines.values())

    def besides(self):
        named: dict[str, Line] = {"with tasks that are noise": dict(noise=True)}
        named[f"without {' and '.join(WEAK)}"] = dict(without=WEAK)
        return [
            line | dict(which=which)
            for which, tasks in named.items()
            for line in self.contrasts(**tasks)
        ]

    def sources(self):
        lines = []
        for length, name in itertools.product(LENGTHS, NAMES):
            own = [one for one in self.of_length(length) if name in self.taus[one.name]]
            for source, values in self._by_source(own, self.taus, name).items():
                tasks = ", ".join(table.task for table in own if table.source == source)
                about = dict(length=length, contrast=name, source=source, tasks=tasks)
                lines.append(about | over_classes(values))
        return lines

    @cached_property
    def params(self):
        """By table the parameters of its classes, which stand in the page's file by their place."""
        told: dict[str, list[float]] = defaultdict(list)
        spaces = {table.name: table.space for table in self.tables}
        for line in rows(self.page / "data/classes.csv"):
            if line["table"] in spaces:
                cell = tuple(map(int, line["cell"]))
                assert order_of(spaces[line["table"]])[cell] == int(line["place"])
                told[line["table"]].append(float(line["params"]))
        return {name: np.array(values) for name, values in told.items()}

    @cache  # noqa: B019
    def signals(self):
        lines = []
        for one in self.tables:
            about = {
                name: getattr(one, name)
                for name in ("task", "source", "length", "space")
            }
            about |= dict(table=one.name, measure=one.measure)
            about["noise"] = self.agreement[one.name] < 0.3
            lines += [about | line for line in self._signals(one)]
        return lines

    def _signals(self, table):
        seen = {key: table.get(f"{key[0]}_{key[1]}", key[2]) for key in table.signals}
        agreement = {key: alike(values) for key, values in seen.items()}
        halves = self.halves[:, table.places]
        rng = np.random.default_rng([*table.name.encode()])
        for name in (table.measure, "loss", "ece", "robust_error"):
            if (table.usual, f"test_{name}", 100) not in table.columns:
                continue
            goal = table.get(f"test_{name}")
            sizes = np.tile(self.params[table.name], (len(goal), 1))
            seen["floor", "−parameters", 100] = -sizes
            seen["floor", "random", 100] = rng.standard_normal(goal.shape)
            seen["ceiling", "another seed", 100] = goal
            agreement["ceiling", "another seed", 100] = of_goal = alike(goal)
            # Spearman and Brown: the reliability of the mean of the other seeds
            of_mean = (len(goal) - 1) * of_goal / (1 + (len(goal) - 2) * of_goal)
            for key, values in seen.items():
                line: Line = dict(zip(("split", "quantity", "time"), key, strict=True))
                line |= dict(goal=name, tau=over_seeds(kendall, values, rest(goal)))
                line["quarter"] = over_seeds(quarter, values, rest(goal))
                both = of_mean * agreement.get(key, 0.0)
                line["corrected"] = (
                    line["tau"] / math.sqrt(both) if both > 0 else math.nan
                )
                lost = regret(values, goal, halves)
                yield line | dict(regret=lost / sd_of_seeds(goal), regret_in_unit=lost)

    def levels(self, signals=()):
        """Signals at the usual length by source, the measure by its role."""
        frame = pd.DataFrame(signals or self.signals())
        frame = frame[frame["table"].isin([table.name for table in self.of_length(1)])]
        for name in ("quantity", "goal"):
            frame[name] = frame[name].where(frame[name] != frame["measure"], "measure")
        told = ["tau", "quarter", "corrected", "regret"]
        frame[told] = frame[told].apply(pd.to_numeric)
        keys = ["split", "quantity", "time", "goal", "source"]
        return frame.groupby(keys)[told].mean().reset_index().to_dict("records")

    def losses(self):
        """Another loss's own validation value less the usual measure, by the usual goal."""
        lines = []
        for table in self.of_length(1, noise=True):
            for loss in sorted({key[0] for key in table.columns} - {table.usual}):
                own = table.columns[loss, "valid_loss", 100]
                known = np.isfinite(own).all(axis=0)
                own, usual = (
                    own[:, known],
                    table.get(f"valid_{table.measure}")[:, known],
                )
                about = (
                    table.goal[:, known],
                    pairs_of(self.weights[:, table.places[known]]),
                )
                values = resampled(own, *about) - resampled(usual, *about)
                p = 2 * stats.norm.sf(
                    abs(values[0]) / max(values[1:].std(ddof=1), SMALL)
                )
                line = dict(task=table.task, loss=loss, usual=table.usual, p=p)
                lines.append(line | over_classes(values))
        after = holm([line["p"] for line in lines])[0]
        return [line | dict(holm=p) for line, p in zip(lines, after, strict=True)]

    def moderator(self):
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
            every = sum(points.values(), [])
            enough = [own for own in (every, *points.values()) if len(own) >= 3]
            over, *within = [
                stats.spearmanr(*np.transpose(own)).statistic for own in enough
            ]
            line = dict(contrast=name, points=len(every), over_all=over)
            lines.append(line | dict(within=np.mean(within)))
        return lines

    def left_out(self):
        lines = []
        for name, agreement in self.agreement.items():
            noise, one = bool(agreement < 0.3), bool(self.same[name] >= 0.98)
            line = dict(table=name, agreement=agreement, same=self.same[name])
            lines += [line | dict(noise=noise, one=one)] if noise or one else []
        return lines

    def second_space(self):
        return [
            dict(space=table.space, task=table.task, contrast=name)
            | over_classes(values)
            for table in self.tables
            if table.space != "nb201"
            for name, values in self.taus[table.name].items()
        ]

    def short_runs(self):
        """A short run's own end less the whole run's point at 20 %, by the whole run's goal."""
        lines = []
        whole = {table.task: table for table in self.of_length(1, noise=True)}
        for short in self.tables:
            long = whole.get(short.task)
            if short.length >= 1 or short.space != "nb201" or long is None:
                continue
            both = np.intersect1d(short.places, long.places)
            here, there = np.isin(short.places, both), np.isin(long.places, both)
            about = long.goal[:, there], pairs_of(self.weights[:, both])
            for name in (f"valid_{long.measure}", "valid_loss", "train_loss"):
                split, quantity = name.split("_", 1)
                own = resampled(short.get(name)[:, here], *about)
                point = resampled(long.get(name, 20)[:, there], *about)
                line = dict(task=short.task, split=split, quantity=quantity)
                line |= dict(length=short.length, own=own[0], point=point[0])
                lines.append(line | over_classes(own - point))
        return lines

    def worth(self):
        """What .05 of τ is worth: less the slope of regret on τ over a task's signals."""
        in_unit, in_seeds = [], []
        for table in self.of_length(1):
            own = [
                (line["tau"], line["regret_in_unit"])
                for line in self.signals()
                if (line["table"], line["goal"]) == (table.name, table.measure)
                and line["split"] in ("train", "valid")
            ]
            worth = -0.05 * stats.linregress(*np.transpose(own)).slope
            in_seeds.append(worth / sd_of_seeds(table.goal))
            in_unit += [worth] if table.unit == "%" else []
        points = np.median(in_unit) if in_unit else math.nan
        return [dict(points=points, of_tasks=len(in_unit), seeds=np.median(in_seeds))]

    def reached(self):
        """By loss the test metric against cross-entropy in spreads of seeds, over sources."""
        lines = []
        for loss, own in self._reached().items():
            if len(own) >= 3:
                y, v = np.array(list(grouped(own).values())).T
                line = random_effects(y, v) | told_apart(y, np.sqrt(v))
                lines.append(line | dict(loss=loss, mean=line["difference"]))
        return lines

    def reached_sources(self):
        return [
            dict(loss=loss, source=source, difference=value[0])
            for loss, own in self._reached().items()
            for source, value in grouped(own).items()
        ]

    def _reached(self):
        found = defaultdict(list)
        for table in self.of_length(1):
            for loss in sorted({key[0] for key in table.columns} - {table.usual}):
                if table.usual == "cross_entropy":
                    own = table.columns[loss, f"test_{table.measure}", 100]
                    gains = (table.goal - own).mean(axis=0) / sd_of_seeds(table.goal)
                    gains = gains[np.isfinite(gains)]
                    told = np.array([gains.mean(), stats.sem(gains) ** 2])
                    found[loss].append((table.source, told))
        return found


def optima(data, fewest=1000):
    """The signals' picks among all classes of a space, on the tasks that have them all."""

    def picked(seen, wanted):
        own = wanted[seen == seen.min()]
        better = np.mean([(wanted < one).mean() for one in own])
        return np.array([own.mean() - wanted.min(), better])

    lines = []
    paths = [data / f"{name}.h5" for name in ("digits", "rotation")]
    for table in [Table(path, None) for path in paths if path.exists()]:
        if not table.is_usable or len(table.places) < fewest:
            continue
        wanted = rest(table.goal)
        measure, loss = f"valid_{table.measure}", "train_loss"
        for name, time in (
            (measure, 100),
            ("valid_loss", 100),
            (loss, 100),
            (loss, 20),
        ):
            signal = table.get(name, time)
            lost, better = over_seeds(picked, signal, wanted)
            line = dict(task=table.task, signal=f"{name.replace('_', ' ', 1)} {time}")
            line |= dict(better=better, regret=lost / sd_of_seeds(table.goal))
            tau = over_seeds(kendall, signal, wanted)
            lines.append(line | dict(classes=len(table.places), tau=tau))
    return lines


# Stored searches


def over_sources(pairs):
    """The mean over sources of numbers by seed, each source with the mean of their variances; none
    of fewer than three.
    """
    told = [(source, (own.mean(), own.var(ddof=1) / len(own))) for source, own in pairs]
    means = np.array(list(grouped(told).values()))
    if len(means) < 3:
        return []
    values, variances = means.T
    line = random_effects(values, np.full(len(values), variances.mean()))
    return [line | dict(worse=int((values > 0).sum()))]


SEARCHED = ("measure", "validation loss", "training loss")
WHOLE = 3 * 7 * 4 * 4
"""Searches of a task: signals, strategies, λ and seeds; the switch's come besides."""


def of_searches(data, tables):
    """The lines of the stored searches of the tables as they are now, where all were made."""
    store = data.parent / f"{data.name}-searches.csv"
    if not store.exists():
        return dict(variance=[], gains=[], switches=[])
    digests = {one.task: one.digest[:12] for one in tables if one.name == one.task}
    made = pd.read_csv(store)
    made = made[made["task"].map(digests) == made["digest"].str[:12]]
    made["source"] = made["task"].map(sources())
    plain = made[made["signal"].isin(SEARCHED)]
    whole = plain["task"].value_counts()
    made = made[made["task"].isin(whole.index[whole == WHOLE])]
    keys = ["source", "task", "seed"]

    def costs(signal, own):
        """What a signal costs instead of the measure."""
        regrets = own.pivot_table(index=keys, columns="signal", values="regret")
        if signal not in regrets:
            return []
        more = (regrets[signal] - regrets["measure"]).dropna()
        groups = more.groupby(keys[:2], sort=False)
        return over_sources((source, part.to_numpy()) for (source, _), part in groups)

    free = made[made["lambda"] == 0]
    found = dict(variance=shares(made), gains=[], switches=[])
    for signal in SEARCHED[1:]:
        found["gains"] += [line | dict(signal=signal) for line in costs(signal, free)]
    for name in ("hyperband", "bo_epochs"):
        lines = costs("training loss early", made[made["strategy"] == name])
        found["switches"] += [line | dict(strategy=name) for line in lines]
    return found


def shares(made):
    """The mean over sources of the shares of the variance of regret."""
    told = []
    made = made.sort_values(["signal", "strategy", "lambda", "seed"])
    for (source, _), own in made[made["signal"].isin(SEARCHED)].groupby(
        ["source", "task"]
    ):
        parts = components(own["regret"].to_numpy().reshape(3, 7, 4, 4))
        told += [(source, parts / parts.sum())] if parts.any() else []
    by = list(grouped(told).values())
    means = np.mean(by, axis=0) if by else ()
    return [
        dict(component=name, share=mean, sources=len(by))
        for name, mean in zip(
            ("signal", "strategy", "λ", "together", "seed"), means, strict=False
        )
    ]


def components(values):
    """The parts of the variance of one task's regrets: three factors, all together, and seeds."""
    *levels, seeds = values.shape
    cells, freedom = values.mean(3), np.array(levels) - 1
    within = values.var(3, ddof=1).mean()
    others = [tuple({0, 1, 2} - {i}) for i in range(3)]
    each = values.size / np.array(levels)
    squares = each * [cells.mean(axes).var(ddof=1) for axes in others]
    left = seeds * cells.size * cells.var() - squares @ freedom
    mixed = left / (cells.size - 1 - freedom.sum())
    found = [*((squares - mixed) / each), (mixed - within) / seeds, within]
    return np.maximum(found, 0.0)


# Other people's tables

FAMILIES = (
    "fashion LCDB TabM NAS-Bench-201 GraphGym NAS-Bench-NLP ScAn ViT-Bench".split()
)
PREFIXES = "fashion lcdb- tabm- nb201- graphgym- nbnlp- scan- vitbench-".split()
PROBABLE = """
    LinearDiscriminantAnalysis QuadraticDiscriminantAnalysis ExtraTreesClassifier
    GradientBoostingClassifier RandomForestClassifier LogisticRegression BernoulliNB MultinomialNB
    KNeighborsClassifier MLPClassifier DecisionTreeClassifier ExtraTreeClassifier
""".split()
"""Learners of LCDB that give probabilities."""
Columns = dict[tuple[str, str, int], Values]
"""By split, ``loss`` or ``measure``, and time, shape (trainings, cells)."""


def runs_of(table):
    """By split and role the runs of a metric, by the share of the longest."""
    both = (
        m
        for m in ("error", "rmse", "loss")
        if {f"valid_{m}", f"test_{m}"} <= set(table)
    )
    measure = next(both, None)
    if measure is None:
        return {}
    names = {(split, "measure"): f"{split}_{measure}" for split in ("valid", "test")}
    names["train", "loss"] = "train_rmse" if measure == "rmse" else "train_loss"
    if measure == "error":
        # NAS-Bench-201 has the loss of networks that were trained on half of the data
        half = "test_loss_25k" if "test_loss_25k" in table else "test_loss"
        names |= {("valid", "loss"): "valid_loss", ("test", "loss"): half}
    found = {}
    for key, name in names.items():
        if name in table:
            epochs = {
                int(at) if at.isdecimal() else 1: own for at, own in table[name].items()
            }
            found[key] = {at / max(epochs): own for at, own in epochs.items()}
            for other in table:
                stem, _, share = other.rpartition("@")
                if stem == name and share.isdecimal():
                    found[key][int(share) / 100] = next(iter(table[other].values()))
    return found


def columns_of(path):
    """Of one cell a class; by seeds where enough cells have several, else the mean of seeds."""
    with h5py.File(path) as file:
        table = file["columns"]
        runs = runs_of(table)
        asked = {(*key, 100): own[1.0] for key, own in runs.items()}
        shares = [
            s for s in runs.get(("train", "loss"), {}) if 1 / 1.5 <= s / 0.2 <= 1.5
        ]
        if shares:
            nearest = min(shares, key=lambda share: abs(math.log(share / 0.2)))
            asked["train", "loss", 20] = runs["train", "loss"][nearest]
        if not asked:
            return {}
        cells = slice(None)
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


def whole_of(columns):
    """Which cells all columns have."""
    return np.all(
        [np.isfinite(values).all(axis=0) for values in columns.values()], axis=0
    )


def judged(columns):
    """By signal and goal τ, then what each cell adds to its error; of eight cells or more."""
    whole = whole_of(columns) if columns else np.zeros(0, bool)
    n = int(whole.sum())
    sample = np.random.default_rng(0).permutation(n)[:1500]

    def shares(*both):
        a, b = (np.sign(values[sample, None] - values[sample]) for values in both)
        scale = math.sqrt(np.abs(a).sum() * np.abs(b).sum()) or math.inf
        return (a * b).sum(1) * len(sample) / scale

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


def with_error(value, parts, n):
    """A number whose variance is that of the mean of n parts."""
    return np.r_[value, (parts - parts.mean()) / math.sqrt(n * (len(parts) - 1))]


def differences(found):
    """The contrasts whose signals a table has."""
    by, loss, train = (
        ("valid", "measure", 100),
        ("valid", "loss", 100),
        ("train", "loss"),
    )
    each = {}
    for name, key in (
        ("valid_loss", loss),
        ("train", (*train, 100)),
        ("early", (*train, 20)),
    ):
        if (key, "measure") in found:
            each[name] = found[key, "measure"] - found[by, "measure"]
    if (loss, "loss") in found:
        each["other_goal"] = found[by, "loss"] - found[loss, "loss"]
        each["matched"] = -(each["valid_loss"] + each["other_goal"]) / 2
    return each


def over_tables(source, each):
    """Tables of a source are averaged cell by cell; of fewer than three sources the interval is
    over cells.
    """
    lines = {}
    for key in {key: None for own in each for key in own}:
        pairs = [
            (s, own[key]) for s, own in zip(source, each, strict=True) if key in own
        ]
        means = grouped(pairs).values()
        y = np.array([one[0] for one in means])
        v = np.array([(one[1:] ** 2).sum() for one in means])
        line = normal(y.mean(), math.sqrt(v.sum()) / len(y))
        line |= dict(plain=y.mean(), sources=len(y))
        ends = line["low"], line["high"]
        if len(y) >= 3:
            line = random_effects(y, v)
            ends = stats.t.interval(0.95, len(y) - 1, y.mean(), stats.sem(y))
        lines[key] = line | dict(
            plain_low=ends[0], plain_high=ends[1], tables=len(pairs)
        )
    return lines


def lcdb(path):
    """By set of LCDB the columns: a training is an outer split, the mean over its inner ones; an
    early point is the size nearest to a fifth of the largest.
    """
    found = defaultdict(dict)
    splits = {f"score_{split}": split for split in ("train", "valid", "test")}
    with tarfile.open(path) as archive:
        for role, kind, sign in (("measure", "accuracy", -1), ("loss", "logloss", 1)):
            file = archive.extractfile(f"lcdb-0.1.0/lcdb/database-{kind}.csv")
            frame = pd.read_csv(file)
            frame["learner"] = frame["learner"].str.rpartition(".")[2]
            frame = frame[frame["learner"].isin(PROBABLE) & (frame["inner_seed"] < 5)]
            keys = ["openmlid", "size_train", "outer_seed", "learner"]
            for data, means in frame.groupby(keys)[[*splits]].mean().groupby(level=0):
                sizes = means.index.unique("size_train").to_numpy()
                early = sizes[np.abs(np.log(sizes / sizes[-1] / 0.2)).argmin()]
                for (time, size), name in itertools.product(
                    ((20, early), (100, sizes[-1])), splits
                ):
                    key = splits[name], role
                    if key == ("train", "loss") or (key[0] != "train" and time == 100):
                        wide = means.loc[data, size][name].unstack().reindex(range(5))
                        values = sign * wide.reindex(columns=PROBABLE).to_numpy()
                        found[str(data)][(*key, time)] = values
    return found


def families(home):
    """The contrasts in the tables of others that are here."""
    found = []
    for family, prefix in zip(FAMILIES, PREFIXES, strict=True):
        folder = {"fashion": SHIPPED}.get(family, home and home / "tables")
        paths = sorted(folder.glob(f"{prefix}*.h5")) if folder else []
        columns = {path.stem: columns_of(path) for path in paths}
        if family == "LCDB":
            columns = dict(
                *map(lcdb, home.glob("fetched/lcdb/*/*.tar.gz") if home else ())
            )
        source = [data_set(name) for name in columns]
        each = [judged(own) for own in columns.values()]
        for name, line in over_tables(source, list(map(differences, each))).items():
            found.append(line | dict(family=family, contrast=name))
    return found


def data_set(name):
    """TabM's splits of one set are one source."""
    return (
        name.rstrip("0123456789").removesuffix("-")
        if name.startswith("tabm-")
        else name
    )


# The page's files

KEYS = """
    which length contrast source table split quantity time goal task loss space signal component
    strategy family
""".split()
"""Columns that name a line."""
GIVEN = {"defined", "differs"}
"""Columns that hold no result."""
SAMPLE = ("digits-macro", "mnist1d-x4", "rotation", "rotation-x0.2", "splice-x8")
"""Shipped tables of every length and space."""


def files(data, page, resamples=1000):
    """The lines of every file of a page, by its name."""
    study = Study(data, page, resamples)
    methods = """
        contrasts besides sources signals levels losses moderator left_out second_space short_runs
        worth reached reached_sources trainings
    """
    found = {name: getattr(study, name)() for name in methods.split()}
    return found | of_searches(data, study.tables) | dict(optima=optima(data))


def in_part(data, page):
    """The lines and numbers of every file of a page that are computed within seconds.

    Of all tables these are what needs no resamples, of `SAMPLE` all; means over tables are taken of
    the page's own lines.
    """
    every, some = Study(data, page, 2), Study(data, page, 1000, only=SAMPLE)
    found = {
        name: getattr(study, name)()
        for study, names in (
            (every, "left_out moderator trainings reached reached_sources"),
            (some, "signals second_space short_runs losses sources"),
        )
        for name in names.split()
    }
    whole = dict(contrasts=every.contrasts(), besides=every.besides())
    plain = {"which", "length", "contrast", "sources", "tasks", "plain"}
    for name, lines in whole.items():
        found[name] = [{k: v for k, v in line.items() if k in plain} for line in lines]
    for line in found["losses"]:
        del line["holm"]
    others = {
        (one.length, one.source) for one in every.tables if one.name not in SAMPLE
    }
    found["sources"] = [
        line
        for line in found["sources"]
        if (line["length"], line["source"]) not in others
    ]
    found["levels"] = every.levels(rows(page / "data/signals.csv"))
    return found | of_searches(data, every.tables) | dict(optima=optima(data))


def differing(own, told, *, in_part=False):
    """What a file of the page says otherwise: lines and numbers, or those that are here in part."""
    heads = set(told[0]) if told else set()
    keys = sorted(heads & {*KEYS})
    by_own, by_told = (
        {
            tuple(str(line[name]).removesuffix(".0") for name in keys): line
            for line in lines
        }
        for lines in (own, told)
    )
    lacking = by_own.keys() - by_told if in_part else by_own.keys() ^ by_told
    found = [f"{key} is not in both" for key in lacking]
    if not (lacking or in_part) and len(own) != len(told):
        found.append(f"{len(told)} lines, not {len(own)}")
    for key in by_own.keys() & by_told:
        line, texts = by_own[key], by_told[key]
        for column in heads - GIVEN if not in_part else heads & set(line) - GIVEN:
            if not agrees(texts[column], line[column]):
                found.append(f"{key} {column}: {texts[column]}, not {line[column]}")
    return found


def agrees(text, value):
    """To four digits or five decimals, more than the page prints; it sums in single precision."""
    if value is None or isinstance(value, str | bool | np.bool_):
        return text == ("" if value is None else str(value))
    if not text or math.isnan(value):
        return not text and math.isnan(value)
    return math.isclose(float(text), value, rel_tol=2e-4, abs_tol=2e-6)
