"""How often does the verdict claim what is not so, and how often does it see what is?

Strategies that are the same in distribution must be told apart in at most 5 % of studies: simulated
ones (normal, heavy tails, 95 % ties, rare disasters; problems of one space alike) and real runs of
one strategy under several names. Shapes are pairs of two strategies whose means are known: one that
is better in most runs must not be called best where its mean is not lower, and two must not be
called the same where their means differ by the margin. Finished settings are stored in ``--out``,
from where the same command goes on.

.venv/bin/python analysis/calibrate_verdict.py --out results/calibrate-verdict.jsonl [--what shapes]
    [--repeats 4000] [--seed 0] [--most-problems 32] [--runs FOLDER]
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.study.decision import MARGIN, Statement, decide

Draw = Callable[[np.random.Generator, int, int, int], NDArray[np.float64]]
"""Values of k strategies on m problems in r runs, shape ``(k, m, r)``, lower is better."""


def normal(rng: np.random.Generator, k: int, m: int, r: int) -> NDArray[np.float64]:
    """Runs of one seed share half of their variance."""
    return rng.normal(size=(k, m, r)) + rng.normal(size=(1, m, r))


def heavy(rng: np.random.Generator, k: int, m: int, r: int) -> NDArray[np.float64]:
    """Student's t with one and a half degrees of freedom."""
    return rng.standard_t(1.5, size=(k, m, r))


def ties(rng: np.random.Generator, k: int, m: int, r: int) -> NDArray[np.float64]:
    """All find the optimum in 97.5 % of their runs, so that 95 % of the pairs tie."""
    return np.where(rng.random((k, m, r)) < 0.975, 0.0, rng.exponential(size=(k, m, r)))


def unequal(rng: np.random.Generator, k: int, m: int, r: int) -> NDArray[np.float64]:
    """Problems whose spread differs by a factor of up to a hundred."""
    return rng.normal(size=(k, m, r)) * np.exp(rng.uniform(0, np.log(100), size=(1, m, 1)))


def disasters(rng: np.random.Generator, k: int, m: int, r: int) -> NDArray[np.float64]:
    """Small differences, and one of twenty runs finds nothing."""
    return np.where(rng.random((k, m, r)) < 0.05, 1.0, 0.1 * rng.random((k, m, r)))


NULLS: dict[str, Draw] = {
    "normal": normal,
    "heavy": heavy,
    "ties": ties,
    "unequal": unequal,
    "disasters": disasters,
}

OneRun = Callable[[np.random.Generator, tuple[int, int]], NDArray[np.float64]]
"""Regrets of the runs of one strategy, of a shape ``(m, r)``."""


def fails(share: float, otherwise: float = 0.0) -> OneRun:
    """A share of the runs ends at 1, the others at a number."""
    return lambda rng, shape: np.where(rng.random(shape) < share, 1.0, otherwise)


def steady(value: float) -> OneRun:
    """Every run ends at about a number."""
    return lambda rng, shape: value * (1 + 0.001 * rng.normal(size=shape))


def gaussian(mean: float) -> OneRun:
    """Normal, of standard deviation 1."""
    return lambda rng, shape: rng.normal(mean, 1.0, size=shape)


def exponential(mean: float) -> OneRun:
    """Exponential."""
    return lambda rng, shape: rng.exponential(mean, size=shape)


def lognormal(mean: float, sigma: float = 1.0) -> OneRun:
    """Lognormal; the mean is of the numbers, sigma of their logarithms."""
    return lambda rng, shape: rng.lognormal(np.log(mean) - sigma**2 / 2, sigma, size=shape)


def differs(share: float, most: float) -> OneRun:
    """A share of the runs ends above 0, by up to a number."""
    return lambda rng, shape: np.where(rng.random(shape) < share, most * rng.random(shape), 0.0)


SHAPES: dict[str, dict[str, tuple[OneRun, OneRun]]] = {
    # the first is better in most runs, and its mean is not lower: to decide for it is false
    "not lower": {
        "0, in 20 % 1 / .1": (fails(0.2), steady(0.1)),
        "0, in 10 % 1 / .05": (fails(0.1), steady(0.05)),
        "0, in 20 % 1 / .2": (fails(0.2), steady(0.2)),
        "0, in 5 % 1 / .05": (fails(0.05), steady(0.05)),
        "exponential / even": (exponential(0.2), steady(0.2)),
        "lognormal / even": (lognormal(0.2), steady(0.2)),
    },
    "lower": {  # the first is lower in the mean: power
        "normal, .35 sd": (gaussian(0.0), gaussian(0.35 * 2**0.5)),
        "normal, .5 sd": (gaussian(0.0), gaussian(0.5 * 2**0.5)),
        "exponential × 1.6": (exponential(0.2), exponential(0.32)),
        "solves 90 % / 70 %": (fails(0.1), fails(0.3)),
        "lognormal 1.5 × 1.8": (lognormal(0.1, 1.5), lognormal(0.18, 1.5)),
    },
    "beyond": {  # the means differ by the margin or more: to call them the same is false
        "5 % fail outright": (steady(0.0), fails(0.05)),
        "7 % fail outright": (steady(0.0), fails(0.07)),
        "10 % fail outright": (steady(0.0), fails(0.1)),
        "20 % at .3": (steady(0.0), lambda rng, shape: 0.3 * fails(0.2)(rng, shape)),
    },
    "alike": {  # the means differ by far less than the margin: power
        "equal": (steady(0.0), steady(0.0)),
        "5 % differ by up to .01": (differs(0.025, 0.01), differs(0.025, 0.01)),
        "5 % differ by up to .1": (differs(0.025, 0.1), differs(0.025, 0.1)),
        "each fails in 2 %": (fails(0.02), fails(0.02)),
    },
}
SIZES = ((1, 10), (1, 20), (1, 40), (4, 10), (4, 20), (15, 6), (1, 80), (12, 10))
"""Problems and runs of each."""


def shapes() -> Iterator[dict[str, Any]]:
    """Settings of two strategies of known means."""
    for group, pairs in SHAPES.items():
        for shape in pairs:
            for m, r in SIZES:
                yield {"what": "shape", "group": group, "shape": shape, "k": 2, "m": m, "r": r}


def nulls() -> Iterator[dict[str, Any]]:
    """Settings of identical strategies."""
    for data in NULLS:
        for k in (2, 3, 8):
            for m in (1, 2, 3, 4, 8, 32):
                for r in (5, 10, 20):
                    yield {"what": "same", "data": data, "k": k, "m": m, "r": r}


def others() -> Iterator[dict[str, Any]]:
    """Two tied best before worse ones; one better than the rest; spaces; power."""
    for m in (1, 4):
        for r in (10, 20):
            yield {"what": "two best", "k": 8, "m": m, "r": r, "shift": 1.0}
            for shift in (0.35, 0.7, 1.0, 1.4):
                yield {"what": "one better", "k": 8, "m": m, "r": r, "shift": shift}
                yield {"what": "one better", "k": 2, "m": m, "r": r, "shift": shift}
    for spaces in (6, 8, 12):
        for alike in (0.0, 0.5, 0.8):
            yield {"what": "spaces", "k": 2, "spaces": spaces, "alike": alike, "r": 10}
            yield {"what": "spaces", "k": 8, "spaces": spaces, "alike": alike, "r": 10}


_COUNTED = ("alike", "wrong", "decided wrong")


def told(setting: dict[str, Any], repeats: int, seed: int) -> dict[str, float]:
    """Shares of studies with each statement, and of those with a claim that is false."""
    rng = np.random.default_rng([seed, repeats, *json.dumps(setting, sort_keys=True).encode()])
    counts: Counter[str] = Counter()
    for _ in range(repeats):
        values, spaces, best = drawn(setting, rng)
        found = decide({str(i): list(of) for i, of in enumerate(values)}, spaces)
        apart = {int(rival.name) for rival in found.worse}
        leader = int(found.leader)
        # A claim is false if the leader is no better than the one that it is told apart from.
        counts["wrong"] += bool(apart & best) if leader in best else bool(apart)
        counts["decided"] += found.decided
        counts["decided wrong"] += found.decided and (len(best) > 1 or leader not in best)
        counts["alike"] += (
            any(rival.alike for rival in found.rivals) or (found.same_bound or 1) <= MARGIN
        )
        counts.update({rival.statement for rival in found.open})
    return {name: counts[name] / repeats for name in (*get_args(Statement), *_COUNTED)}


def drawn(
    setting: dict[str, Any], rng: np.random.Generator
) -> tuple[NDArray[np.float64], list[str] | None, set[int]]:
    """A study: regrets ``(k, m, r)``, the spaces of its problems if they count, and who is best."""
    k = setting["k"]
    r = setting["r"]
    what = setting["what"]
    if what == "same":
        return NULLS[setting["data"]](rng, k, setting["m"], r), None, set(range(k))
    if what == "shape":
        pair = SHAPES[setting["group"]][setting["shape"]]
        values = np.stack([one(rng, (setting["m"], r)) for one in pair])
        return values, None, {1} if setting["group"] == "not lower" else {0}
    if what == "spaces":
        spaces = [str(s) for s in range(setting["spaces"]) for _ in range(1 + s % 4)]
        own = rng.normal(size=(k, setting["spaces"], 1))
        each = rng.normal(size=(k, len(spaces), 1))
        share = setting["alike"]
        effect = np.sqrt(share) * own[:, [int(s) for s in spaces]] + np.sqrt(1 - share) * each
        return effect + rng.normal(size=(k, len(spaces), r)), spaces, set(range(k))
    values = rng.normal(size=(k, setting["m"], r))
    best = 2 if what == "two best" else 1
    values[best:] += setting["shift"]
    return values, None, set(range(best))


def real(folder: Path, repeats: int) -> Iterator[dict[str, Any]]:
    """Real runs of one strategy, dealt out to several names; and of two, a share of them at a
    time.
    """
    from surrogate_nas.study.api import read_comparison

    found = read_comparison(folder)
    for strategy in found.strategies:
        regrets = np.asarray(found.regrets(strategy), dtype=np.float64)
        for k in (2, 3, 8):
            for r in (5, 10, 20):
                if k * r > len(regrets):
                    continue
                rng = np.random.default_rng([repeats, k, r])
                wrong = 0
                for _ in range(repeats):
                    dealt = rng.permutation(regrets)[: k * r].reshape(k, 1, r)
                    wrong += bool(decide({str(i): list(of) for i, of in enumerate(dealt)}).worse)
                yield {
                    "what": "real",
                    "strategy": strategy,
                    "k": k,
                    "r": r,
                    "wrong": wrong / repeats,
                }
    for one, other in itertools.combinations(found.strategies, 2):
        pair = {name: np.asarray(found.regrets(name), dtype=np.float64) for name in (one, other)}
        better = min(pair, key=lambda name: float(pair[name].mean()))
        for r in (5, 10, 20, 40):
            rng = np.random.default_rng([repeats, r])
            right = 0
            for _ in range(repeats):
                chosen = rng.choice(min(map(len, pair.values())), r, replace=False)
                found_here = decide({name: [of[chosen]] for name, of in pair.items()})
                right += found_here.leader == better and found_here.decided
            yield {
                "what": "real power",
                "better": better,
                "of": [one, other],
                "r": r,
                "decided": right / repeats,
            }


def main() -> None:
    """Make what is missing, then print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("results/calibrate-verdict.jsonl"))
    parser.add_argument("--repeats", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=0, help="the root of all randomness")
    parser.add_argument("--what", choices=[*PARTS], help="only these settings")
    parser.add_argument(
        "--most-problems", type=int, default=32, help="leave out settings of more problems"
    )
    parser.add_argument(
        "--runs", type=Path, help="a folder of snas compare with many runs of its strategies"
    )
    given = parser.parse_args()
    given.out.parent.mkdir(parents=True, exist_ok=True)
    lines = (
        [json.loads(line) for line in given.out.read_text().splitlines()]
        if given.out.exists()
        else []
    )
    chosen = [given.what] if given.what else [*PARTS]
    settings = [setting for part in chosen for setting in PARTS[part]()]
    settings = [setting for setting in settings if setting.get("m", 1) <= given.most_problems]
    asked = {"repeats": given.repeats, "seed": given.seed}
    for n, setting in enumerate(settings):
        wanted = setting | asked
        if any(wanted.items() <= line.items() for line in lines):
            continue
        lines.append(wanted | told(setting, given.repeats, given.seed))
        with given.out.open("a") as file:
            file.write(json.dumps(lines[-1]) + "\n")
        print(f"{n + 1} of {len(settings)}", file=sys.stderr)
    if given.runs is not None:
        lines += list(real(given.runs, given.repeats))
    lines = [
        line for line in lines if asked.items() <= line.items() or line["what"].startswith("real")
    ]
    print("\n".join([*table_of_nulls(lines), "", *table_of_shapes(lines)]))
    for line in lines:
        if line["what"] not in ("same", "shape"):
            print(json.dumps(line))


PARTS: dict[str, Callable[[], Iterator[dict[str, Any]]]] = {
    "shapes": shapes,
    "nulls": nulls,
    "others": others,
}


def table_of_nulls(lines: list[dict[str, Any]]) -> Iterator[str]:
    """In how many of a hundred studies identical strategies are told apart, by problems and
    runs.
    """
    same = [line for line in lines if line["what"] == "same"]
    problems = sorted({line["m"] for line in same})
    if same:
        yield (
            "| k, data | "
            + " | ".join(f"m = {m}" for m in problems)
            + " |\n|---|"
            + "---|" * len(problems)
        )
    for data, k in itertools.product(NULLS, (2, 3, 8)):
        row = [line for line in same if line["data"] == data and line["k"] == k]
        cells = [
            " / ".join(f"{100 * line['wrong']:.1f}" for line in row if line["m"] == m)
            for m in problems
        ]
        if row:
            yield f"| {k} {data} | " + " | ".join(cells) + " |"


def table_of_shapes(lines: list[dict[str, Any]]) -> Iterator[str]:
    """Of each pair how often it is decided for the first, and how often the two are called the
    same, in %.
    """
    found = [line for line in lines if line["what"] == "shape"]
    if found:
        yield (
            "| shape | "
            + " | ".join(f"{m} × {r}" for m, r in SIZES)
            + " |\n|---|"
            + "---|" * len(SIZES)
        )
    for group, pairs in SHAPES.items():
        key = {"not lower": "decided wrong", "lower": "decided"}.get(group, "alike")
        for shape in pairs:
            row = [line for line in found if line["shape"] == shape and line["group"] == group]
            by_size = {(line["m"], line["r"]): f"{100 * line[key]:.1f}" for line in row}
            if row:
                yield (
                    f"| {group}: {shape} | "
                    + " | ".join(by_size.get(size, "") for size in SIZES)
                    + " |"
                )


if __name__ == "__main__":
    main()
