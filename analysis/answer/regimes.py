"""`python -m analysis.answer.regimes`: the contrasts of the protocol on regimes.

``--data FOLDER`` gives the statistics of the experiment; ``--calibrate N`` the share of N simulated
studies without an effect that decide something. Without them the command prints what the contrasts
can detect. δ is τ of the training loss less τ of the validation metric, both with the test metric
under other seeds; its spread between sources is that of the pilot (issue of 30 November 2026; four
sources) for D1 and D2, and that of the tables in `data/losses` for D3.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from analysis.answer.conditions import (
    DELTA,
    DIFFERENCES,
    KEYS,
    TWIN,
    read_conditions,
)
from analysis.answer.contrasts import (
    FEWEST,
    by_source,
    combine,
    described,
    is_negligible,
    mean_of,
    over_classes,
)
from analysis.answer.design import read_design
from analysis.answer.orders import Crossed, contrasts
from analysis.answer.reading import Table, Values, read_tables
from analysis.answer.warning import evaluate, pairs_of
from analysis.orders import others, parts, signs
from surrogate_nas.core.errors import UserError
from surrogate_nas.core.numbers import LEVEL, POWER
from surrogate_nas.files import write_whole
from surrogate_nas.space import DEFAULT_SPACE
from surrogate_nas.stats.decision import mean_difference
from surrogate_nas.stats.summaries import holm

SOURCES = 14
CONTRASTS = 3
DESIGN = Path(__file__).with_name("regimes.toml")
PRIMARY = {
    "D1": {"noise-x4": 1, "x4": -1},
    "D2": {"varied-x4": 1, "x4": -1},
    "D3": {"x4": 1, "x1": -1},
}
"""By contrast the weights of conditions."""
BESIDES = {
    "noise, ×1": {"noise": 1, "x1": -1},
    "varied, ×1": {"varied": 1, "x1": -1},
    "×4 under noise": {"noise-x4": 1, "noise": -1},
    "×4 where varied": {"varied-x4": 1, "varied": -1},
    "noise by length": {"noise-x4": 1, "x4": -1, "noise": -1, "x1": 1},
    "varied by length": {"varied-x4": 1, "x4": -1, "varied": -1, "x1": 1},
    "noise by varied, ×1": {"noise-varied": 1, "noise": -1, "varied": -1, "x1": 1},
    "noise by varied, ×4": {
        "noise-varied-x4": 1,
        "noise-x4": -1,
        "varied-x4": -1,
        "x4": 1,
    },
    "all three": {
        "noise-varied-x4": 1,
        "noise-x4": -1,
        "varied-x4": -1,
        "x4": 1,
        "noise-varied": -1,
        "noise": 1,
        "varied": 1,
        "x1": -1,
    },
    "quarter": {"quarter-x4": 1, "x4": -1},
    "quarter under noise": {"noise-quarter-x4": 1, "noise-x4": -1},
    "×16": {"x16": 1, "x4": -1},
}
DECIDING = 0.025
"""All three tests must be below it; with two tests below .05, 11 % of simulated studies whose
effects are exponential decided something without an effect."""
_TESTS = {"p": "holm", "flip": "flip_holm", "hall": "hall_holm"}
_ERROR = 0.06
"""Standard error of a source's difference in simulated studies."""
_SHAPE = 3, 60
"""Seeds and cells of a simulated table."""
Taus = Mapping[str, Mapping[str, Mapping[str, Values]]]
"""By task, condition and name a difference and its resamples."""
# δ of digits, mnist8, hyphens and glyphs in runs of four times the default length.
_CLEAN = np.array([0.10, 0.17, -0.24, 0.19])
_SHORT = np.array([0.04, 0.00, 0.01, 0.06])
_NOISE = np.array([-0.66, -0.26, -1.44, 0.00])
_VARIED = np.array([-0.22, -0.08, -0.72, 0.05])


def detectable(differences: Values, sources: int = SOURCES) -> float:
    """The mean difference that is detected with a power of 80 % at Holm's first level."""
    quantile = stats.t.ppf(1 - LEVEL / CONTRASTS / 2, sources - 1)
    error = differences.std(ddof=1) / np.sqrt(sources)
    return float((quantile + stats.norm.ppf(POWER)) * error)


def delta(table: Table) -> Values:
    """δ at the end of the run."""
    once = Crossed(np.ones((1, len(table.classes)), np.float32))
    return contrasts(table, once)["train"]


def longer(folder: Path) -> Values:
    """By source, δ in runs of four times the default length less δ at the default length."""
    tables = [one for one in read_tables(folder) if one.space == DEFAULT_SPACE]
    long = {one.task: delta(one) for one in tables if one.length == 4}
    pairs = [
        (one.source, long[one.task] - delta(one))
        for one in tables
        if one.length == 1 and one.task in long
    ]
    return np.concatenate([*by_source(pairs).values()])


@lru_cache(maxsize=2)
def _all_signs(n: int) -> NDArray[np.float64]:
    return 1.0 - 2.0 * np.indices((2,) * n).reshape(n, -1)


def sign_flip(differences: Values) -> float:
    """The exact two-sided p of a mean, over all signs of the sources' differences."""
    sums = np.abs(differences @ _all_signs(len(differences)))
    return float((sums >= sums[0] * (1 - 1e-12)).mean())


def tested_mean(values: Values, variances: Values) -> dict[str, Any]:
    """The mean with all three p-values, and what is detectable at Holm's first level."""
    combined = combine(values, variances)
    return {
        **described(combined, values, variances),
        "flip": sign_flip(values),
        "hall": mean_difference([values]).p,
        "detectable": combined.detectable(DECIDING / CONTRASTS),
    }


def decide(lines: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Add Holm's p of each test, and the decision; a contrast that is lacking has p = 1.

    `decision` follows the deviation of 1 December, `protocol` the rule before it.
    """
    rest = [1.0] * (CONTRASTS - len(lines))
    after = [holm([line[p] for line in lines] + rest) for p in _TESTS]
    for line, *p in zip(lines, *after, strict=False):
        line |= dict(zip(_TESTS.values(), p, strict=True))
        is_small = is_negligible(line)
        text = "no difference of interest" if is_small else "too small to tell"
        side = "higher" if line["mean"] > 0 else "lower"
        line["decision"] = side if max(p) < DECIDING else text
        line["protocol"] = side if max(p[:2]) < LEVEL else text
    return list(lines)


def compared(taus: Taus) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The primary contrasts and their twins; all that is reported without a decision."""
    lines = []
    single = {name: {name: 1} for own in taus.values() for name in own}
    for of, (name, weights) in product(
        DIFFERENCES, {**PRIMARY, **BESIDES, **single}.items()
    ):
        sources = [
            own for own in taus.values() if all(of in own.get(c, {}) for c in weights)
        ]
        if len(sources) >= FEWEST:
            each = [[w * own[c][of] for c, w in weights.items()] for own in sources]
            values = np.sum(each, axis=1)
            line = tested_mean(values[:, 0], values[:, 1:].var(axis=1, ddof=1))
            lines.append({"of": of, "contrast": name, **line})
    tested = [
        one
        for one in lines
        if one["of"] in (DELTA, TWIN) and one["contrast"] in PRIMARY
    ]
    decide([line for line in tested if line["of"] == DELTA])
    return pd.DataFrame(tested), pd.DataFrame(
        [one for one in lines if one not in tested]
    )


def find(folder: Path, design: Path = DESIGN) -> dict[str, pd.DataFrame]:
    """All statistics of a folder of tables, by name."""
    pairs = list(read_design(design))
    conditions, lacking = read_conditions(folder, pairs)
    taus: dict[str, dict[str, dict[str, Values]]] = {}
    signals, deltas = [], []
    for condition in conditions:
        tau = condition.tau(pairs[0].plan.noisy_classes)
        own = condition.differences(tau)
        taus.setdefault(condition.task, {})[condition.name] = own
        signals += condition.signals()
        about = {"task": condition.task, "condition": condition.name}
        deltas += [
            about | {"of": name} | over_classes(values) for name, values in own.items()
        ]
    tested, besides = compared(taus)
    if not len(tested):
        lacking.append(
            f"Fewer than {FEWEST} sources have the conditions of a contrast."
        )
    warned = pairs_of(conditions, pairs[0].plan.first_seed)
    return {
        "lacking": pd.DataFrame({"lacking": lacking}),
        "signals": pd.DataFrame(signals),
        "differences": pd.DataFrame(deltas),
        "means": means_of(pd.DataFrame(signals)),
        "besides": besides,
        "contrasts": tested,
        "pairs": warned,
        "signs": evaluate(warned),
    }


def means_of(signals: pd.DataFrame) -> pd.DataFrame:
    """The means of τ and regret over sources, with intervals over sources."""
    long = signals.melt(KEYS, ["tau", "regret"], "of").dropna()
    lines = [
        {
            **dict(zip([*KEYS, "of"], key, strict=True)),
            **mean_of(own, np.zeros(len(own))),
        }
        for key, group in long.groupby([*KEYS, "of"], sort=False)
        if len(own := group["value"].to_numpy(float)) >= FEWEST
    ]
    names = [*KEYS, "of", "sources", "mean", "low", "high", "new_low", "new_high"]
    return pd.DataFrame(lines, columns=names)


def calibrate(studies: int) -> pd.Series:
    """The shares of simulated studies without an effect in which any contrast is decided.

    Permuted labels: the goal orders the classes at random, and variances are those of each class's
    part of τ. Exponential effects: sources differ as in the pilot, with a mean of 0.
    """
    rng, wrong = np.random.default_rng(0), []
    spreads = [
        own.std(ddof=1) for own in (_NOISE - _CLEAN, _VARIED - _CLEAN, _CLEAN - _SHORT)
    ]
    for _ in range(studies):
        made = {name: _permuted(rng) for own in PRIMARY.values() for name in own}
        each = [sum(w * made[c] for c, w in own.items()) for own in PRIMARY.values()]
        permuted = [(own[:, 0], (own[:, 1:] ** 2).sum(axis=1)) for own in each]
        drawn = [spread * (rng.exponential(size=SOURCES) - 1) for spread in spreads]
        noise = _ERROR * rng.standard_normal((CONTRASTS, SOURCES))
        effects = [(own, np.full(SOURCES, _ERROR**2)) for own in drawn + noise]
        lines = [
            decide([tested_mean(*own) for own in study])
            for study in (permuted, effects)
        ]
        decided = [
            any(one["decision"] in ("higher", "lower") for one in own) for own in lines
        ]
        wrong.append(decided)
    return pd.DataFrame(
        wrong, columns=["permuted labels", "exponential effects"]
    ).mean()


def _permuted(rng: np.random.Generator) -> Values:
    """δ and its derivative by class where the goal has other labels, shape ``(sources, 1 + n)``."""
    found = []
    for _ in range(SOURCES):
        worth, goal = rng.standard_normal((2, 1, _SHAPE[1]))
        seen = worth + 0.5 * rng.standard_normal((2, *_SHAPE))
        wanted = others(goal + 0.5 * rng.standard_normal(_SHAPE))
        every = [
            parts(np.array([*map(signs, own)]), signs(other))
            for own, other in zip(seen.swapaxes(0, 1), wanted, strict=True)
        ]
        tau, slopes = (np.mean(own, axis=0) for own in zip(*every, strict=True))
        found.append([tau[0] - tau[1], *(slopes[0] - slopes[1])])
    return np.array(found)


def power() -> int:
    """Print the detectable differences."""
    spreads = {
        "D1, pilot": _NOISE - _CLEAN,
        "D2, pilot": _VARIED - _CLEAN,
        "D3, data/losses": longer(Path("data/losses")),
        "D3, pilot": _CLEAN - _SHORT,
    }
    for name, values in spreads.items():
        about = f"{len(values)} sources, standard deviation {values.std(ddof=1):.3f}"
        print(f"{name}: detectable {detectable(values):.3f} ({about})")
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Print and write the statistics, the calibration, or the detectable differences."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="a folder of tables")
    parser.add_argument(
        "--design", type=Path, default=DESIGN, help="that of the tables"
    )
    parser.add_argument("--out", type=Path, default=Path("results/regimes"))
    parser.add_argument("--calibrate", type=int, metavar="STUDIES")
    given = parser.parse_args(arguments)
    if given.calibrate:
        print(calibrate(given.calibrate).to_string())
        return 0
    if not given.data:
        return power()
    try:
        found = find(given.data, given.design)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    given.out.mkdir(parents=True, exist_ok=True)
    texts = [
        f'"{name}": {own.to_json(orient="records", double_precision=12)}'
        for name, own in found.items()
    ]
    write_whole(given.out / "regimes.json", "{" + ",\n".join(texts) + "}\n")
    for name, frame in found.items():
        if len(frame) and name not in ("signals", "pairs"):
            shown = frame.drop(columns="thresholds", errors="ignore")
            text = shown.to_string(index=False, float_format="%.4f", na_rep="")
            print(f"\n{name}\n{text}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
