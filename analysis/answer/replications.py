"""The contrasts in tables of others, as far as these hold the signals; what differs is said.

`fashion` has seeds and both goals, and is judged as our own tables are. Elsewhere the signals of
one training are compared on its cells, and the fourth contrast is not had; of a family of tables
the mean is by the same random-effects model, with a table for a source. Intervals are over cells.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from analysis.answer.contrasts import FEWEST, LEVEL, OF_INTEREST, combine, over_classes
from analysis.answer.orders import Crossed, contrasts, draws
from analysis.answer.tables import Table, Values
from surrogate_nas.benchmarks import load, tables
from surrogate_nas.papers.common.signals import Signals, signals_of
from surrogate_nas.space import DEFAULT_SPACE
from surrogate_nas.tables import CLASS_METRIC

READ = {
    "valid_loss": ("valid loss", 1.0),
    "train": ("train loss", 1.0),
    "early": ("train loss", 0.2),
}
"""By contrast the signal and the mark of `surrogate_nas.papers.common.signals`."""


class Outside(NamedTuple):
    """A family of tables: how names begin, how it is fetched, and what differs in its design."""

    prefix: str
    fetch: str
    differs: str


FAMILIES = {
    "NAS-Bench-201": Outside("nb201-", "nb201", "200 epochs, one curve, three data sets"),
    "GraphGym": Outside("graphgym-", "graphgym", "recipes and depth vary, few epochs told"),
    "NAS-Bench-NLP": Outside("nbnlp-", "nbnlp", "recurrent cells, one seed"),
    "ScAn": Outside("scan-", "scan", "decoders, sizes of one family, one seed"),
    "ViT-Bench": Outside("vitbench-", "vitbench", "vision transformers, one seed"),
}
OWN = "fashion"
OF_OWN = "this project's, 500 classes, five epochs of one curve, three seeds"
# LCDB and TabM join here once they are sources of tables (lcdb-…, tabm-…).
LATER = ("LCDB", "TabM")


def replications() -> pd.DataFrame:
    """A line a family and contrast: the difference, its interval, and how many tables have it."""
    here = [entry["name"] for entry in tables() if entry["available"]]
    lines = [
        {"family": OWN, "contrast": name, "tables": 1, "differs": OF_OWN, **over_classes(values)}
        for name, values in _own().items()
    ]
    for family, outside in FAMILIES.items():
        names = [name for name in here if name.startswith(outside.prefix)]
        read = [one for one in map(signals_of, names) if one is not None]
        for contrast, (signal, mark) in READ.items():
            line = _line(read, signal, mark)
            if line:
                line |= {"differs": outside.differs}
                lines.append({"family": family, "contrast": contrast, **line})
    heads = ["family", "contrast", "tables", "difference", "low", "high", "differs"]
    return pd.DataFrame(lines, columns=heads)


def _own() -> dict[str, Values]:
    """The contrasts of `fashion`, with their resamples."""
    bench = load(OWN)
    seeds = bench.seeds(bench.question("test_error"))
    first = np.unique(bench.column(CLASS_METRIC).astype(int))
    columns = {}
    for split, quantity, time, epochs in _READ_OWN:
        name = f"{split}_{quantity}"
        every = [bench.column(name, epochs, seed)[first] for seed in seeds]
        columns["", split, quantity, time] = np.array(every)
    whole = np.flatnonzero(np.all([np.isfinite(own).all(0) for own in columns.values()], axis=0))
    columns = {key: own[:, whole] for key, own in columns.items()}
    table = Table(
        name=OWN,
        task=OWN,
        source=OWN,
        length=1,
        space=DEFAULT_SPACE,
        usual="",
        measure="error",
        unit="%",
        columns=columns,
        params=bench.column("params")[first][whole],
        cells=[],
        classes=np.arange(len(whole)),
        trained={},
    )
    return contrasts(table, Crossed(draws(len(whole))))


_READ_OWN = (
    ("train", "loss", 20, 1),
    ("train", "loss", 100, 5),
    ("valid", "loss", 100, 5),
    ("valid", "error", 100, 5),
    ("test", "loss", 100, 5),
    ("test", "error", 100, 5),
)


def lacking(found: pd.DataFrame) -> list[str]:
    """What is not here, each with the command that brings it, or what it lacks."""
    here = [entry["name"] for entry in tables() if entry["available"]]
    told = []
    for family, outside in FAMILIES.items():
        if family not in set(found["family"]):
            is_here = any(name.startswith(outside.prefix) for name in here)
            lacks = "no training loss beside a validation measure"
            told.append(f"{family} ({lacks if is_here else f'snas data fetch {outside.fetch}'})")
    return [*told, *(f"{family} (no source of tables yet)" for family in LATER)]


def _line(read: Sequence[Signals], signal: str, mark: float) -> dict[str, float]:
    pairs = [one.less_measure.get(signal, {}).get(mark) for one in read]
    known = [pair for pair in pairs if pair is not None and math.isfinite(pair[0] + pair[1])]
    if not known:
        return {}
    values, errors = np.array(known).T
    mean, low, high = _mean(values, errors**2)
    return {"tables": len(known), "difference": mean, "low": low, "high": high}


def _mean(values: Values, variances: Values) -> tuple[float, float, float]:
    if len(values) >= FEWEST:
        combined = combine(values, variances)
        return combined.mean, *combined.interval()
    error = math.sqrt(variances.sum()) / len(values)
    reach = stats.norm.ppf(1 - LEVEL / 2) * error
    return float(values.mean()), float(values.mean() - reach), float(values.mean() + reach)


def agrees(ours: float, low: float, high: float) -> str:
    """Whether a family says the same as our mean: its sign, another, or nothing."""
    if -OF_INTEREST < low and high < OF_INTEREST:
        return "no difference of interest"
    if low <= 0 <= high:
        return "not told apart"
    return "same sign" if (low > 0) == (ours > 0) else "other sign"
