"""The contrasts in tables of others, as far as these hold the signals; what differs is said.

    python -m analysis.answer.replications

computes them from the tables that `snas data fetch` brought, and stores them beside our own tables;
the page reads that file.

Tables of one source are averaged first, then sources combine by the same random-effects model. A
signal of one training is judged by the others' mean where enough cells were trained several times
(by seeds or splits), elsewhere by the goal of its own training. Errors within a table are over
cells, by each cell's part of τ.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from analysis.answer.contrasts import FEWEST, LEVEL, by_source, combine
from analysis.answer.orders import CONTRASTED, MATCHED, others
from analysis.answer.reading import Key, Values, stored
from analysis.orders import signs
from analysis.signals import marks_of
from surrogate_nas.benchmarks import Benchmark, load, tables
from surrogate_nas.files import write_whole
from surrogate_nas.surrogates.evaluation import kendall
from surrogate_nas.tables import CLASS_METRIC
from surrogate_nas.tables.sources.lcdb import archive, by_outer, cube

Columns = dict[Key, Values]
"""By split, ``loss`` or ``measure``, and per cent of a run: shape ``(trainings, cells)``, smaller
is better."""
Judged = dict[tuple[Any, ...], Values]
"""A number first, then each cell's part of its error, the sum of whose squares is its variance."""
MEASURES = {"error": "loss", "rmse": "rmse", "loss": "loss"}
"""The measure that judges, the first that a table has, and the loss that is minimised."""
OTHER = "other_goal"
DEFINED = {
    "valid_loss": "validation loss less validation metric, goal: test metric",
    "train": "training loss at the end less validation metric, goal: test metric",
    "early": "training loss at 20 % less validation metric, goal: test metric",
    OTHER: "validation metric less validation loss, goal: test loss",
    MATCHED: f"minus the mean of valid_loss and {OTHER}",
}
PLAIN = ["plain", "plain_low", "plain_high"]
"""The mean of sources without weights, and its 95 % interval."""
NUMBERS = ["tables", "sources", "difference", "low", "high", *PLAIN]
"""The precision-weighted mean of sources with its 95 % interval, and the plain one."""
HEADS = ["family", "contrast", *NUMBERS, "defined", "differs"]
_MEASURE, _LOSS = ("valid", "measure", 100), ("valid", "loss", 100)
_FEWEST_CELLS = 8
_REPEATED = 200
"""With so many cells of several trainings, or half of all, other trainings judge."""
_PAIRED = 1500
"""Cells that errors are estimated on, before scaling by the root of all there are."""
_EARLY = 0.2


def columns_of(name: str) -> Columns:
    """The columns of a benchmark, of the first cell of each class; none without a test measure."""
    bench = load(name)
    named = _metrics(bench)
    if ("valid", "measure") not in named:
        return {}
    asked = {}
    for (split, role), metric in named.items():
        at = dict(marks_of(bench, bench.metric(metric)))
        asked[split, role, 100] = at[1.0]
        if (split, role) == ("train", "loss") and _EARLY in at:
            asked[split, role, 20] = at[_EARLY]
    cells = np.arange(len(bench.space))
    if CLASS_METRIC in {metric.name for metric in bench.metrics}:
        cells = np.unique(bench.column(CLASS_METRIC).astype(int))

    def read(seeds: Sequence[Any]) -> Columns:
        found = {}
        for key, question in asked.items():
            minimised = bench.metric(question.metric).minimised
            each = [minimised(bench.column(*question, seed))[cells] for seed in seeds]
            found[key] = np.array(each)
        return found

    seeds = sorted(set.intersection(*(set(bench.seeds(one)) for one in asked.values())))
    found = read(seeds) if len(seeds) > 1 else {}
    enough = min(_REPEATED, len(cells) / 2)
    return found if found and _whole(found).sum() >= enough else read(["mean"])


def _metrics(bench: Benchmark) -> dict[tuple[str, str], str]:
    """By split and role the names of metrics; the loss of validation where it is no measure."""
    names = {metric.name for metric in bench.metrics}
    for measure, loss in MEASURES.items():
        if {f"valid_{measure}", f"test_{measure}"} <= names:
            every = {
                ("valid", "measure"): f"valid_{measure}",
                ("train", "loss"): f"train_{loss}",
            }
            every["test", "measure"] = f"test_{measure}"
            if measure != loss:
                every["valid", "loss"] = f"valid_{loss}"
                # of NAS-Bench-201's networks, that of those trained on half of the data
                half = f"test_{loss}_25k"
                every["test", "loss"] = half if half in names else f"test_{loss}"
            return {key: name for key, name in every.items() if name in names}
    return {}


def lcdb_columns(name: str) -> Columns:
    """The columns of a set of LCDB, an outer split a training; an early point is a smaller size."""
    data = int(name.removeprefix("lcdb-"))
    sheets = archive()
    error, loss = (cube(sheets[kind], data) for kind in ("accuracy", "logloss"))
    if error is None or loss is None:
        return {}
    early = int(np.abs(np.log(np.array(loss.sizes) / loss.sizes[-1] / _EARLY)).argmin())
    found = {("train", "loss", 20): by_outer(loss, early)[0].T}
    found["train", "loss", 100] = by_outer(loss)[0].T
    for role, scores in (
        ("measure", -by_outer(error)),
        ("loss", by_outer(loss)),
    ):
        found["valid", role, 100], found["test", role, 100] = (
            one.T for one in scores[1:]
        )
    return found


class Outside(NamedTuple):
    """A family of tables."""

    prefix: str  # How names begin
    differs: str  # What differs in its design
    columns: Callable[[str], Columns] = columns_of  # Reads one
    source: Callable[[str], str] = str  # Of the data of one


def _data_set(name: str) -> str:
    """The data set of a benchmark of TabM, without the number of its split."""
    words = name.removeprefix("tabm-").split("-")
    is_split = len(words[-1]) == 1 and words[-1].isdigit()
    return "-".join(words[:-1] if is_split else words)


FAMILIES = {
    "fashion": Outside(
        "fashion",
        "this project's, 500 classes, five epochs of one curve, three seeds",
    ),
    "LCDB": Outside(
        "lcdb-",
        "12 scikit-learn classifiers with default settings instead of architectures, on sets where"
        " eight or more never failed; an early point is a training of its own on a fifth of the"
        " data; judged by the four other outer splits of 5 × 5; preprocessing saw validation and"
        " test data",
        lcdb_columns,
    ),
    "TabM": Outside(
        "tabm-",
        "13 families of tabular networks, each with its own tuned recipe, which validation data"
        " chose, as they did the epoch; 15 seeds; no curves; of regression, where the metric is"
        " the loss, the training loss alone",
        source=_data_set,
    ),
    "NAS-Bench-201": Outside(
        "nb201-",
        "200 epochs, CIFAR-10, one recipe, means of seeds, whose noise is shared",
    ),
    "GraphGym": Outside(
        "graphgym-",
        "the one set with a test goal; recipes and depth vary, no seeds",
    ),
    "NAS-Bench-NLP": Outside(
        "nbnlp-",
        "recurrent cells, 50 epochs of one curve, no seeds; the metric is a loss",
    ),
    "ScAn": Outside(
        "scan-",
        "decoders and OpenCLIP, sizes and recipes vary, no seeds; the metric is a loss",
    ),
    "ViT-Bench": Outside("vitbench-", "vision transformers, one seed"),
}


def replications() -> pd.DataFrame:
    """The contrasts of every family that is here."""
    here = [entry["name"] for entry in tables() if entry["available"]]
    lines: list[tuple[Any, ...]] = []
    for family, outside in FAMILIES.items():
        names = [name for name in here if name.startswith(outside.prefix)]
        sources = [outside.source(name) for name in names]
        found = [differences(judge(outside.columns(name))) for name in names]
        lines += [
            (family, *key, *of.values(), DEFINED[key[0]], outside.differs)
            for key, of in combined(sources, found)
        ]
    return pd.DataFrame(lines, columns=HEADS)


def read_replications(store: Path) -> pd.DataFrame:
    """What is stored; no lines where there is no file."""
    return pd.read_csv(store) if store.is_file() else pd.DataFrame(columns=HEADS)


def main() -> None:
    """Compute the families whose tables are here, and keep what is stored of the others."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--data", type=Path, default=Path("data/losses"))
    store = stored(parser.parse_args().data, "outside")
    made, before = replications(), read_replications(store)
    kept = before[~before["family"].isin(made["family"])]
    every = pd.concat([made, kept]) if len(kept) else made
    every = every.sort_values(
        "family", key=lambda own: own.map([*FAMILIES].index), kind="stable"
    )
    write_whole(store, every.to_csv(index=False))
    print(f"{store}: {', '.join(every['family'].unique())}")


def judge(columns: Columns) -> Judged:
    """τ by signal and goal, over cells that all columns have; none of too few cells."""
    whole = _whole(columns) if columns else np.zeros(0, bool)
    n = int(whole.sum())
    if n < _FEWEST_CELLS:
        return {}
    columns = {key: values[:, whole] for key, values in columns.items()}
    sample = np.random.default_rng(0).permutation(n)[:_PAIRED]
    found: Judged = {}
    for goal in ("measure", "loss"):
        if ("test", goal, 100) not in columns:
            continue
        wanted = columns["test", goal, 100]
        wanted = others(wanted) if len(wanted) > 1 else wanted
        for key, signal in columns.items():
            if key[0] == "test":
                continue
            pairs = list(zip(signal, wanted, strict=True))
            shares = [_shares(one[sample], two[sample]) for one, two in pairs]
            part = np.nan_to_num(shares).mean(axis=0)
            tau = part.mean()
            if n > _PAIRED:
                tau = np.mean(np.nan_to_num([kendall(*pair) for pair in pairs]))
            found[*key, goal] = _with_error(tau, 2 * part, n)
    return found


def _shares(first: Values, second: Values) -> Values:
    """Each cell's mean concordance with all others, scaled so that the mean is τ_b."""
    one, two = signs(first), signs(second)
    untied = float(np.abs(one).sum(dtype=float) * np.abs(two).sum(dtype=float))
    return (one * two).sum(axis=1, dtype=float) * (
        len(first) / math.sqrt(untied) if untied else math.nan
    )


def differences(judged: Judged) -> Judged:
    """The contrasts whose signals are there."""
    found: Judged = {}
    for name, signal in CONTRASTED.items():
        if (*signal, "measure") in judged:
            found[name,] = judged[*signal, "measure"] - judged[*_MEASURE, "measure"]
    if (*_LOSS, "loss") in judged:
        found[OTHER,] = judged[*_MEASURE, "loss"] - judged[*_LOSS, "loss"]
        found[MATCHED,] = -(found["valid_loss",] + found[OTHER,]) / 2
    return found


def combined(
    sources: Sequence[str], judged: Iterable[Judged]
) -> Iterator[tuple[Any, dict[str, float]]]:
    """A family's mean of each number of its tables, with its interval."""
    found: dict[Any, list[tuple[str, Values]]] = {}
    for source, numbers in zip(sources, judged, strict=True):
        for key, values in numbers.items():
            found.setdefault(key, []).append((source, values))
    for key, pairs in found.items():
        means = by_source(pairs).values()
        values = np.array([one[0] for one in means])
        variances = np.array([(one[1:] ** 2).sum() for one in means])
        yield (
            key,
            {"tables": len(pairs), "sources": len(means), **_mean(values, variances)},
        )


def _mean(values: Values, variances: Values) -> dict[str, float]:
    n = len(values)
    plain = float(values.mean())
    if n >= FEWEST:
        model = combine(values, variances)
        mean, (low, high) = model.mean, model.interval()
        reach = stats.t.ppf(1 - LEVEL / 2, n - 1) * values.std(ddof=1) / math.sqrt(n)
        plain_low, plain_high = plain - reach, plain + reach
    else:
        reach = stats.norm.ppf(1 - LEVEL / 2) * math.sqrt(variances.sum()) / n
        mean, low, high = plain, plain - reach, plain + reach
        plain_low, plain_high = low, high
    ends = dict(zip(PLAIN, (plain, plain_low, plain_high), strict=True))
    return {"difference": mean, "low": low, "high": high, **ends}


def _with_error(value: float, parts: Values, n: int) -> Values:
    """A number whose error is that of the mean of some cells' parts, were there n cells."""
    rest = parts - parts.mean()
    return np.array([value, *(rest / math.sqrt(n * (len(parts) - 1)))])


def _whole(columns: Mapping[Any, Values]) -> NDArray[np.bool_]:
    """Which cells all columns have."""
    return np.all(
        [np.isfinite(values).all(axis=0) for values in columns.values()], axis=0
    )


def lacking(found: pd.DataFrame) -> list[str]:
    """What has no contrast."""
    return [family for family in FAMILIES if family not in set(found["family"])]


if __name__ == "__main__":
    main()
