"""`python -m analysis.answer.regimes`: what the contrasts of the protocol on regimes can detect.

δ is τ of the training loss less τ of the validation metric, both with the test metric under other
seeds. The spread between sources is that of the pilot (issue of 30 November 2026; four sources) for
D1 and D2, and that of the tables in `data/losses` for D3.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from scipy import stats

from analysis.answer.contrasts import by_source
from analysis.answer.orders import Crossed, contrasts
from analysis.answer.reading import Table, Values, read_tables
from surrogate_nas.core.numbers import LEVEL, POWER
from surrogate_nas.space import DEFAULT_SPACE

SOURCES = 14
CONTRASTS = 3
# δ of digits, mnist8, hyphens and glyphs in runs of four times the default length.
_CLEAN = np.array([0.10, 0.17, -0.24, 0.19])
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


def main() -> int:
    """Print the detectable differences."""
    spreads = {
        "D1, pilot": _NOISE - _CLEAN,
        "D2, pilot": _VARIED - _CLEAN,
        "D3, data/losses": longer(Path("data/losses")),
        "D3, pilot": _CLEAN - np.array([0.04, 0.00, 0.01, 0.06]),
    }
    for name, values in spreads.items():
        about = f"{len(values)} sources, standard deviation {values.std(ddof=1):.3f}"
        print(f"{name}: detectable {detectable(values):.3f} ({about})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
