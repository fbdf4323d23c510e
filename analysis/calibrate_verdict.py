"""How often does the verdict claim what is not so, and how often does it see what is?

Strategies that are the same in distribution must be told apart in at most 5 % of studies: simulated ones (normal, heavy
tails, 95 % ties; problems of one space alike) and real runs of one strategy under several names. Finished settings are
kept in ``--out``, from where the same command goes on.

.venv/bin/python analysis/calibrate_verdict.py --out results/calibrate-verdict.jsonl [--repeats 4000] [--runs FOLDER]
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.study.decision import claim

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


NULLS: dict[str, Draw] = {"normal": normal, "heavy": heavy, "ties": ties, "unequal": unequal}


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


def told(setting: dict[str, Any], repeats: int) -> dict[str, float]:
    """Shares of studies with a claim that is false, and with the leader told apart from all."""
    rng = np.random.default_rng([repeats, *json.dumps(setting, sort_keys=True).encode()])
    k, r, what = setting["k"], setting["r"], setting["what"]
    wrong = decided = 0
    for _ in range(repeats):
        spaces, true = None, set(range(k))  # whom no claim may set apart from a leader among them
        if what == "same":
            values = NULLS[setting["data"]](rng, k, setting["m"], r)
        elif what == "spaces":
            spaces = [str(s) for s in range(setting["spaces"]) for _ in range(1 + s % 4)]
            own = rng.normal(size=(k, setting["spaces"], 1))
            each = rng.normal(size=(k, len(spaces), 1))
            share = setting["alike"]
            effect = np.sqrt(share) * own[:, [int(s) for s in spaces]] + np.sqrt(1 - share) * each
            values = effect + rng.normal(size=(k, len(spaces), r))
        else:
            values = rng.normal(size=(k, setting["m"], r))
            best = 2 if what == "two best" else 1
            values[best:] += setting["shift"]
            true = set(range(best))
        found = claim({str(i): list(of) for i, of in enumerate(values)}, spaces)
        apart = {int(name) for name, _ in found.rivals[found.first :]}
        leader = int(found.leader)
        # A claim is false if the leader is no better than the one that it is told apart from.
        wrong += bool(apart & true) if leader in true else bool(apart)
        decided += bool(found.rivals) and found.first == 0
    return {"wrong": wrong / repeats, "decided": decided / repeats}


def real(folder: Path, repeats: int) -> Iterator[dict[str, Any]]:
    """Real runs of one strategy, dealt out to several names; and of two, a share of them at a time."""
    from surrogate_nas.study.calls import read_comparison

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
                    claims = claim({str(i): list(of) for i, of in enumerate(dealt)})
                    wrong += claims.first < len(claims.rivals)
                yield {"what": "real", "strategy": strategy, "k": k, "r": r, "wrong": wrong / repeats}
    for one, other in itertools.combinations(found.strategies, 2):
        pair = {name: np.asarray(found.regrets(name), dtype=np.float64) for name in (one, other)}
        better = min(pair, key=lambda name: float(pair[name].mean()))
        for r in (5, 10, 20, 40):
            rng = np.random.default_rng([repeats, r])
            right = 0
            for _ in range(repeats):
                chosen = rng.choice(min(map(len, pair.values())), r, replace=False)
                claims = claim({name: [of[chosen]] for name, of in pair.items()})
                right += claims.leader == better and claims.first == 0 and bool(claims.rivals)
            yield {"what": "real power", "better": better, "of": [one, other], "r": r, "decided": right / repeats}


def main() -> None:
    """Make what is missing, then print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("results/calibrate-verdict.jsonl"))
    parser.add_argument("--repeats", type=int, default=4000)
    parser.add_argument("--runs", type=Path, help="a folder of snas compare with many runs of its strategies")
    given = parser.parse_args()
    given.out.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.loads(line) for line in given.out.read_text().splitlines()] if given.out.exists() else []
    settings = [*nulls(), *others()]
    for n, setting in enumerate(settings):
        wanted = setting | {"repeats": given.repeats}
        if any(wanted.items() <= line.items() for line in lines):
            continue
        lines.append(wanted | told(setting, given.repeats))
        with given.out.open("a") as file:
            file.write(json.dumps(lines[-1]) + "\n")
        print(f"{n + 1} of {len(settings)}", file=sys.stderr)
    if given.runs is not None:
        lines += list(real(given.runs, given.repeats))
    print("| k, data | m = 1 | 2 | 3 | 4 | 8 | 32 |\n|---|---|---|---|---|---|---|")
    same = [line for line in lines if line["what"] == "same" and line["repeats"] == given.repeats]
    for data in NULLS:
        for k in (2, 3, 8):
            row = [line for line in same if line["data"] == data and line["k"] == k]
            cells = [
                " / ".join(f"{100 * line['wrong']:.1f}" for line in row if line["m"] == m) for m in (1, 2, 3, 4, 8, 32)
            ]
            print(f"| {k} {data} | " + " | ".join(cells) + " |")
    for line in lines:
        if line["what"] != "same":
            print(json.dumps(line))


if __name__ == "__main__":
    main()
