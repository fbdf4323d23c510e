"""The official records of NAS-Bench-201 and of NATS-Bench's two spaces, collected into one table
per data set.

Dong & Yang, ICLR 2020; Dong et al., TPAMI 2021. A record contains, for one architecture, trainings
of 12 and 200 epochs (in the size space 1, 12 and 90) for every data set and seed. Only the last
epoch of a training is read. For earlier epochs, the 200-epoch trainings on CIFAR-100 and
ImageNet16-120 contain only ``ori-test``, the union of validation and test data.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from surrogate_nas.core import Metric, Quantity, UserError, score_metric
from surrogate_nas.files.whole import printable
from surrogate_nas.space import Network, listed, space_named
from surrogate_nas.tables import ColumnKey, Table, Values
from surrogate_nas.tables.sources.base import reading
from surrogate_nas.tables.sources.declaration import means

Progress = Callable[[int, int], None]


class Records(NamedTuple):
    """A type of official records: its description, the name of its space, and the epochs of each
    named training.
    """

    what: str
    space: str
    runs: dict[str, int]


TOPOLOGY = Records(
    "the topology space", "nb201", {"12": 12, "less": 12, "200": 200, "full": 200}
)
SIZE = Records("NATS-Bench's size space", "nats-size", {"01": 1, "12": 12, "90": 90})
CITATION = "Dong & Yang, NAS-Bench-201, ICLR 2020; Dong et al., NATS-Bench, TPAMI 2021"
_UNITS: dict[Quantity, str] = {"loss": "nats", "error": "%"}
_NO_TIMES = (
    "Training times are missing for some of its results, so every query costs one unit instead of"
    " seconds."
)


_HALF, _FULL, _TRAIN = (
    f"network trained on {on}" for on in ("train (25 k)", "train+valid (50 k)", "train")
)
_ABOUT = {
    "cifar10": ("CIFAR-10", Network(classes=10)),
    "cifar100": ("CIFAR-100", Network(classes=100)),
    "imagenet16": ("ImageNet16-120", Network(classes=120, image_size=16)),
}
# A data set of the records, a set of its images, the name of a metric, and a note.
_Reading = tuple[str, str, str, str]
_NAMES = {"train": "train_{}", "x-valid": "valid_{}", "x-test": "test_{}"}
# By table; the data set of the first one has the times.
_READINGS: dict[str, list[_Reading]] = {
    "cifar10": [
        ("cifar10-valid", "train", "train_{}", _HALF),
        ("cifar10-valid", "x-valid", "valid_{}", _HALF),
        ("cifar10-valid", "ori-test", "test_{}_25k", _HALF),
        ("cifar10", "ori-test", "test_{}", _FULL),
    ],
    "cifar100": [("cifar100", *pair, _TRAIN) for pair in _NAMES.items()],
    "imagenet16": [("ImageNet16-120", *pair, _TRAIN) for pair in _NAMES.items()],
}
_LATENCY_NOTE = (
    "read by the authors on a GPU that the records do not name, without synchronising, batch 256;"
    " never to be mixed with a device's latency"
)
RECORD_LATENCY = Metric(
    "latency@record", "ms", "search", "cost", description=_LATENCY_NOTE
)
_TRAIN_SECONDS = Metric(
    "train_seconds", "s", "record", "cost", description="the whole training run"
)
_VALID_SECONDS = Metric(
    "valid_seconds", "s", "record", "cost", description="one validation pass"
)
# Table, metric, epochs and seed of a column.
_Key = tuple[str, str, int | None, int]
Trial = dict[str, Any]
"""The state of a ``ResultsCount``: one training on a data set by a seed."""


class RecordTables:
    """A collector of official records, which are added one at a time.

    The collector stores only the columns, 20 to 80 MB for a whole space.

    Example:
        >>> RecordTables("mine", "NATS-Bench, topology space", "my folder").tables()
        []
    """

    def __init__(
        self, prefix: str, title: str, source: str, kind: Records = TOPOLOGY
    ) -> None:
        """Create a collector without records."""
        self._prefix = prefix
        self._title = title
        self._source = source
        self._kind = kind
        self._space = listed(space_named(kind.space))
        self._nothing = np.full(len(self._space), np.nan)
        self._columns = defaultdict[_Key, Values](self._nothing.copy)

    def add(self, record: object, origin: str) -> None:
        """Add one architecture's record, which replaces an earlier record of the same
        architecture.
        """
        with reading(origin, "official record"):
            runs, architecture = _runs(record, self._kind)
            index = self._space.parse(architecture).index
            for name, readings in _READINGS.items():
                for metric, epochs, seed, value in _values(readings, runs):
                    if np.isfinite(value):
                        self._columns[name, metric, epochs, seed][index] = value

    def tables(self) -> list[Table]:
        """Return the tables of the data sets for which the records contain values."""
        names = {name for name, *_ in self._columns}
        return [self._table(name) for name in _READINGS if name in names]

    def _table(self, name: str) -> Table:
        title, network = _ABOUT[name]
        table = Table(
            name=f"{self._prefix}-{name}",
            space=self._space.definition,
            title=f"{self._title} on {title}",
            source=self._source,
            licence="MIT",
            citation=CITATION,
            network=network,
        )
        metrics = [
            score_metric(
                metric.format(what),
                unit,
                what,
                f"{note}, after the last epoch of the run",
                split=images,
            )
            for _, images, metric, note in _READINGS[name]
            for what, unit in _UNITS.items()
        ]
        for described, epochs in [
            *product([*metrics, _TRAIN_SECONDS], sorted({*self._kind.runs.values()})),
            (_VALID_SECONDS, None),
            (RECORD_LATENCY, None),
        ]:
            wanted = name, described.name, epochs
            held = sorted(key for key in self._columns if key[:3] == wanted)
            if held:
                seeds = {key[3]: self._columns[key] for key in held}
                mean, counts = means(np.stack(list(seeds.values())), axis=0)
                own = replace(described, source=self._source)
                table.add(own, epochs, mean, counts, None if epochs is None else seeds)
        has_value: Any = np.isfinite(list(table.columns.values())).any(axis=0)
        if not has_value.all():
            table.title += (
                f" ({has_value.sum():,} of the {len(has_value):,} architectures)"
            )
        if self._lacks_times(table):
            table.cost = "queries"
            table.banner = _NO_TIMES
        return table

    def _lacks_times(self, table: Table) -> bool:
        """Return whether a result lacks the training or validation time, its query cost."""

        def mean(metric: Metric, epochs: int | None) -> Values:
            return table.columns.get(
                ColumnKey(metric.name, epochs, "mean"), self._nothing
            )

        valid = mean(_VALID_SECONDS, None)
        return any(
            (np.isfinite(column) & np.isnan(mean(_TRAIN_SECONDS, epochs) + valid)).any()
            for (_, epochs, _), column in table.columns.items()
            if epochs is not None
        )


def _values(
    readings: list[_Reading], runs: Mapping[int, dict[str, Any]]
) -> Iterator[tuple[str, int | None, int, float]]:
    """Yield metric, epochs, seed and value for all values that a table takes from a record."""
    longest: dict[str, int] = {}
    for epochs in sorted(runs, reverse=True):
        last = epochs - 1
        for dataset, images, metric, _ in readings:
            on_train = images == "train"
            which, key = ("train", last) if on_train else ("eval", f"{images}@{last}")
            for seed, trial in _trials(runs[epochs], dataset, epochs):
                loss = _number(trial, f"{which}_losses", key)
                accuracy = _number(trial, f"{which}_acc1es", key)
                yield metric.format("loss"), epochs, seed, loss
                yield metric.format("error"), epochs, seed, 100.0 - accuracy
        for seed, trial in _trials(runs[epochs], readings[0][0], epochs):
            times = [_number(trial, "train_times", epoch) for epoch in range(epochs)]
            yield _TRAIN_SECONDS.name, epochs, seed, float(np.sum(times))
            latencies = [float(s) for s in trial.get("latency") or () if s > 0]
            latency = 1000.0 * sum(latencies) / len(latencies) if latencies else np.nan
            valid = _number(trial, "eval_times", f"x-valid@{last}")
            for once, value in ((_VALID_SECONDS, valid), (RECORD_LATENCY, latency)):
                if (
                    np.isfinite(value)
                    and longest.setdefault(once.name, epochs) == epochs
                ):
                    yield once.name, None, seed, value


def kind_of(architecture: str) -> Records | None:
    """Return the type of official records that contains an architecture, or None."""
    if re.fullmatch(r"\d+(:\d+)+", architecture):
        return SIZE
    return TOPOLOGY if architecture.startswith("|") else None


def _runs(record: Any, kind: Records) -> tuple[dict[int, dict[str, Any]], str]:
    """Return the trainings of a record by their epochs, and their architecture."""
    architectures = {str(state["arch_str"]) for state in record.values()}
    if len(architectures) != 1:
        raise ValueError(
            f"its runs are of different architectures, {sorted(architectures)}"
        )
    (architecture,) = architectures
    if (other := kind_of(architecture)) not in (kind, None):
        raise UserError(
            f"it belongs to {other.what} ({printable(architecture):.80}), not to {kind.what}."
        )
    if unknown := sorted(record.keys() - kind.runs.keys()):
        raise ValueError(f"unknown runs {unknown}; valid are {', '.join(kind.runs)}")
    return {kind.runs[run]: state for run, state in record.items()}, architecture


def _trials(
    run: dict[str, Any], dataset: str, epochs: int
) -> Iterator[tuple[int, Trial]]:
    """Yield the seeds and the trials of a data set."""
    for seed in run["dataset_seed"].get(dataset, ()):
        if trial := run["all_results"].get((dataset, seed)):
            if trial["epochs"] != epochs:
                raise ValueError(
                    f"the run of {epochs} epochs on {dataset} has {trial['epochs']}"
                )
            yield int(seed), trial


def _number(trial: Trial, field: str, key: object) -> float:
    """Return a number of a trial, NaN if it is missing."""
    value = (trial.get(field) or {}).get(key)
    return np.nan if value is None else float(value)
