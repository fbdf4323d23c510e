"""How often does the verdict claim what is not so, and how often does it see what is?

Each setting simulates studies of strategies whose laws are known. The script asks the verdict for
all its claims (`surrogate_nas.results.verdict.claims_of`) and counts the studies in which any is
false:

- "decided: A" is false unless A has the lower mean and is better in most runs: P(A < B) > P(A > B).
- "A is better in most runs" is false unless P(A < B) > P(A > B).
- "B has the lower mean" (`split`) is false unless B has the lower mean.
- "practically the same" is false if the means differ by the margin or more.
- "A reaches the target first" is always false here, since all have the same law of times.
- "A also leads on other problems" is false unless A is better in most runs.

Finished settings are stored in ``--out``. Repeat the command to resume.

.venv/bin/python analysis/calibrate_verdict.py --out results/calibrate-verdict.jsonl
    [--what claims] [--repeats 2000] [--seed 0] [--k 2] [--runs FOLDER]
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.results.verdict import claims_of
from surrogate_nas.stats.decision import MARGIN, Statement, decide

Values = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int, int, int], Values]
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
    return rng.normal(size=(k, m, r)) * np.exp(
        rng.uniform(0, np.log(100), size=(1, m, 1))
    )


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


@dataclass(frozen=True, eq=False)
class Law:
    """The distribution of the regrets of one strategy.

    Attributes:
        draw: Values of a shape ``(m, r)``.
        mean: Their mean.
    """

    draw: Callable[[np.random.Generator, tuple[int, ...]], Values]
    mean: float


def fails(share: float, otherwise: float = 0.0, worst: float = 1.0) -> Law:
    """A share of the runs ends at the worst, the others at a number."""
    mean = share * worst + (1 - share) * otherwise
    return Law(
        lambda rng, shape: np.where(rng.random(shape) < share, worst, otherwise), mean
    )


def steady(value: float) -> Law:
    """Every run ends at about a number."""
    return Law(lambda rng, shape: value * (1 + 0.001 * rng.normal(size=shape)), value)


def gaussian(mean: float) -> Law:
    """Normal, of standard deviation 1."""
    return Law(lambda rng, shape: rng.normal(mean, 1.0, size=shape), mean)


def exponential(mean: float) -> Law:
    """Exponential."""
    return Law(lambda rng, shape: rng.exponential(mean, size=shape), mean)


def lognormal(mean: float, sigma: float = 1.0) -> Law:
    """Lognormal; the mean is of the numbers, sigma of their logarithms."""
    centre = np.log(mean) - sigma**2 / 2
    return Law(lambda rng, shape: rng.lognormal(centre, sigma, size=shape), mean)


def differs(share: float, most: float) -> Law:
    """A share of the runs ends above 0, by up to a number."""

    def draw(rng: np.random.Generator, shape: tuple[int, ...]) -> Values:
        return np.where(rng.random(shape) < share, most * rng.random(shape), 0.0)

    return Law(draw, share * most / 2)


SHAPES: dict[str, dict[str, tuple[Law, Law]]] = {
    # the first is better in most runs, and its mean is not lower
    "not lower": {
        "0, in 5 % 1 / .025": (fails(0.05), steady(0.025)),
        "0, in 10 % 1 / .05": (fails(0.1), steady(0.05)),
        "0, in 20 % 1 / .1": (fails(0.2), steady(0.1)),
        "0, in 5 % 1 / .05": (fails(0.05), steady(0.05)),
        "0, in 10 % 1 / .1": (fails(0.1), steady(0.1)),
        "0, in 20 % 1 / .2": (fails(0.2), steady(0.2)),
        "exponential / even": (exponential(0.2), steady(0.2)),
        "lognormal / even": (lognormal(0.2), steady(0.2)),
    },
    "far out": {  # likewise, beyond what so few runs can show
        "0, in 4 % 1 / .04": (fails(0.04), steady(0.04)),
        "lognormal 1.5 / even": (lognormal(0.2, 1.5), steady(0.2)),
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
        "20 % at .3": (steady(0.0), fails(0.2, worst=0.3)),
        "6 % fail outright / 6 % at .02": (fails(0.06), fails(0.06, worst=0.02)),
    },
    "alike": {  # the means differ by far less than the margin: power
        "equal": (steady(0.0), steady(0.0)),
        "5 % differ by up to .01": (differs(0.025, 0.01), differs(0.025, 0.01)),
        "5 % differ by up to .1": (differs(0.025, 0.1), differs(0.025, 0.1)),
        "each fails in 2 %": (fails(0.02), fails(0.02)),
    },
}
SIZES = ((1, 10), (1, 20), (4, 10), (4, 20), (15, 6))
"""Problems and runs of each."""
_SAMPLE = 200_000
_TIMED = 2
"""So many problems have a known optimum, so that speed is compared there."""
_NEVER = 0.3
"""The share of runs that do not reach the target."""


@cache
def better(one: Law, other: Law) -> int:
    """1 if the first is better in most runs, -1 if the second is, 0 if neither."""
    if one is other:
        return 0
    rng = np.random.default_rng(0)
    signs = np.sign(other.draw(rng, (_SAMPLE,)) - one.draw(rng, (_SAMPLE,)))
    share = float(signs.mean())
    return 0 if abs(share) < 0.01 else int(np.sign(share))


def lower(one: Law, other: Law) -> int:
    """1 if the first has the lower mean, -1 if the second has, 0 if neither."""
    difference = other.mean - one.mean
    return 0 if abs(difference) < 1e-9 else int(np.sign(difference))


def claims() -> Iterator[dict[str, Any]]:
    """The settings of the table of false claims and of power."""
    yield from shapes("not lower")
    yield from identical(2)
    yield from identical(3)
    yield from identical(8)
    for group in ("lower", "beyond", "far out", "alike"):
        yield from shapes(group)


def identical(k: int) -> Iterator[dict[str, Any]]:
    """Settings of so many identical strategies."""
    for data, (m, r) in itertools.product(NULLS, SIZES):
        yield {"what": "same", "data": data, "k": k, "m": m, "r": r}


def shapes(group: str) -> Iterator[dict[str, Any]]:
    """Settings of two strategies of known means."""
    for shape, (m, r) in itertools.product(SHAPES[group], SIZES):
        yield {"what": "shape", "group": group, "shape": shape, "k": 2, "m": m, "r": r}


def others() -> Iterator[dict[str, Any]]:
    """Two tied best before worse ones; one better than the rest; spaces; power."""
    for m in (1, 4):
        for r in (10, 20):
            yield {"what": "two best", "k": 8, "m": m, "r": r, "shift": 1.0}
            for shift in (0.35, 0.7, 1.0, 1.4):
                yield {"what": "one better", "k": 8, "m": m, "r": r, "shift": shift}
                yield {"what": "one better", "k": 2, "m": m, "r": r, "shift": shift}
    for spaces in (6, 8, 12):
        for correlation in (0.0, 0.5, 0.8):
            yield {
                "what": "spaces",
                "k": 2,
                "spaces": spaces,
                "correlation": correlation,
                "r": 10,
            }
            yield {
                "what": "spaces",
                "k": 8,
                "spaces": spaces,
                "correlation": correlation,
                "r": 10,
            }


_COUNTED = ("false", "alike", "right", "speed")


def told(setting: dict[str, Any], repeats: int, seed: int) -> dict[str, float]:
    """Shares of studies with each statement, and of those with a claim that is false."""
    rng = np.random.default_rng(
        [seed, repeats, *json.dumps(setting, sort_keys=True).encode()]
    )
    counts: Counter[str] = Counter()
    for _ in range(repeats):
        values, spaces, laws = drawn(setting, rng)
        timed = values[:, :_TIMED].shape
        times = np.where(rng.random(timed) < _NEVER, 201, rng.integers(1, 101, timed))
        end, speed, elsewhere, _ = claims_of(
            {str(i): list(of) for i, of in enumerate(values)},
            {str(i): list(of.astype(float)) for i, of in enumerate(times)},
            spaces,
        )
        assert speed is not None
        lead = laws[int(end.leader)]
        is_false = bool(speed.worse)
        for rival in end.rivals:
            rival_law = laws[int(rival.name)]
            if setting["what"] == "spaces":  # these problems do differ, others do not
                continue
            in_runs, in_mean = better(lead, rival_law), lower(lead, rival_law)
            if rival.statement in ("decided", "most runs", "split"):
                is_false |= in_runs <= 0
            is_false |= rival.statement == "decided" and in_mean <= 0
            is_false |= rival.statement == "split" and in_mean >= 0
            is_false |= rival.alike and abs(lead.mean - rival_law.mean) >= MARGIN
        if elsewhere is not None:
            other_lead = laws[int(elsewhere.leader)]
            is_false |= any(
                better(other_lead, laws[int(r.name)]) <= 0 for r in elsewhere.worse
            )
        counts["false"] += is_false
        counts["speed"] += bool(speed.worse)
        counts["right"] += end.decided and end.leader == "0"
        counts["alike"] += any(rival.alike for rival in end.rivals) or bool(
            end.same_bound is not None and end.same_bound <= MARGIN
        )
        counts.update({rival.statement for rival in end.rivals})
    return {name: counts[name] / repeats for name in (*get_args(Statement), *_COUNTED)}


def drawn(
    setting: dict[str, Any], rng: np.random.Generator
) -> tuple[Values, list[str], Sequence[Law]]:
    """A study: regrets ``(k, m, r)``, the space of each problem, and the law of each strategy."""
    k = setting["k"]
    r = setting["r"]
    what = setting["what"]
    if what == "spaces":
        spaces = [str(s) for s in range(setting["spaces"]) for _ in range(1 + s % 4)]
        own = rng.normal(size=(k, setting["spaces"], 1))
        each = rng.normal(size=(k, len(spaces), 1))
        share = setting["correlation"]
        effect = (
            np.sqrt(share) * own[:, [int(s) for s in spaces]]
            + np.sqrt(1 - share) * each
        )
        return effect + rng.normal(size=(k, len(spaces), r)), spaces, [_ALIKE] * k
    m = setting["m"]
    spaces = [str(problem // 2) for problem in range(m)]
    if what == "same":
        return NULLS[setting["data"]](rng, k, m, r), spaces, [_ALIKE] * k
    if what == "shape":
        pair = SHAPES[setting["group"]][setting["shape"]]
        return np.stack([law.draw(rng, (m, r)) for law in pair]), spaces, pair
    best = 2 if what == "two best" else 1
    laws = [_ALIKE] * best + [_shifted(setting["shift"])] * (k - best)
    return np.stack([law.draw(rng, (m, r)) for law in laws]), spaces, laws


_ALIKE = gaussian(0.0)
"""The law of strategies that are the same."""


@cache
def _shifted(mean: float) -> Law:
    return gaussian(mean)


def real(folder: Path, repeats: int) -> Iterator[dict[str, Any]]:
    """Real runs of one strategy, dealt out to several names; and of two, a share of them at a
    time.
    """
    from surrogate_nas.results.stored import read

    found = read(folder)
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
                    wrong += bool(
                        decide({str(i): list(of) for i, of in enumerate(dealt)}).worse
                    )
                yield {
                    "what": "real",
                    "strategy": strategy,
                    "k": k,
                    "r": r,
                    "wrong": wrong / repeats,
                }
    for one, other in itertools.combinations(found.strategies, 2):
        pair = {
            name: np.asarray(found.regrets(name), dtype=np.float64)
            for name in (one, other)
        }
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
    parser.add_argument(
        "--out", type=Path, default=Path("results/calibrate-verdict.jsonl")
    )
    parser.add_argument("--repeats", type=int, default=2000)
    parser.add_argument(
        "--seed", type=int, default=0, help="the root of all randomness"
    )
    parser.add_argument("--what", choices=[*PARTS], help="only these settings")
    parser.add_argument("--k", type=int, help="only settings of so many strategies")
    parser.add_argument(
        "--runs",
        type=Path,
        help="a folder of snas compare with many runs of its strategies",
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
    settings = [setting for setting in settings if given.k in (None, setting["k"])]
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
        line
        for line in lines
        if asked.items() <= line.items() or line["what"].startswith("real")
    ]
    print("\n".join(tables_of(lines)))
    for line in lines:
        if line["what"] not in ("same", "shape"):
            print(json.dumps(line))


PARTS: dict[str, Callable[[], Iterator[dict[str, Any]]]] = {
    "claims": claims,
    "others": others,
}


def tables_of(lines: list[dict[str, Any]]) -> Iterator[str]:
    """Studies with a false claim, and the power of claims that are true, in %."""
    heads = [f"{m} × {r}" for m, r in SIZES]
    for title, key, wanted in (
        (
            "any false claim",
            "false",
            ("not lower", "far out", "same", "beyond", "lower", "alike"),
        ),
        ("decided for the better", "right", ("lower",)),
        ("practically the same", "alike", ("alike",)),
    ):
        yield f"| {title} | " + " | ".join(heads) + " |\n|---|" + "---|" * len(heads)
        rows: dict[str, dict[tuple[int, int], str]] = {}
        for line in lines:
            if line.get("group", line["what"]) in wanted and line["what"] in (
                "same",
                "shape",
            ):
                name = line.get("shape") or f"{line['k']} identical, {line['data']}"
                rows.setdefault(name, {})[line["m"], line["r"]] = (
                    f"{100 * line[key]:.1f}"
                )
        for name, row in rows.items():
            yield (
                f"| {name} | " + " | ".join(row.get(size, "") for size in SIZES) + " |"
            )
        yield ""


if __name__ == "__main__":
    main()
