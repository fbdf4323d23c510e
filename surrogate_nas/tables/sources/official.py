"""The official records of NAS-Bench-201 and of NATS-Bench's two spaces, gathered into one table a
data set.

Dong & Yang, ICLR 2020; Dong et al., TPAMI 2021. A record holds, for one architecture, runs of 12
and 200 epochs (in the size space of 1, 12 and 90), each on its own schedule, each with a trial per
data set and seed. Only the last epoch of a run is read: before it, the 200-epoch runs on CIFAR-100
and ImageNet16-120 hold only ``ori-test``, which there is validation and test together.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from typing import Any, Literal, NamedTuple

import numpy as np

from surrogate_nas.core.errors import UserError
from surrogate_nas.core.metrics import Metric, score_metric
from surrogate_nas.files.paths import printable
from surrogate_nas.space import listed, space_named
from surrogate_nas.space.network import Network
from surrogate_nas.tables import ColumnKey, Table, Values

Progress = Callable[[int, int], None]


class Records(NamedTuple):
    """What kind of architectures records are of.

    Attributes:
        what: The kind, in words.
        space: The name of their space.
        runs: The runs of a record by the names that the files use, with their epochs.
    """

    what: str
    space: str
    runs: dict[str, int]


TOPOLOGY = Records(
    "the topology space", "nb201", {"12": 12, "less": 12, "200": 200, "full": 200}
)
SIZE = Records("NATS-Bench's size space", "nats-size", {"01": 1, "12": 12, "90": 90})
CITATION = "Dong & Yang, NAS-Bench-201, ICLR 2020; Dong et al., NATS-Bench, TPAMI 2021"
_UNITS: dict[Literal["loss", "error"], str] = {"loss": "nats", "error": "%"}
_NO_TIMES = (
    "Training times are missing for some of its results, so every query costs one unit instead of"
    " seconds."
)


class _Reading(NamedTuple):
    """One set of images of one data set in the records, and what its loss and error are called in a
    table.
    """

    dataset: str
    images: str
    metric: str
    note: str


@dataclass(frozen=True)
class _DataSet:
    """A table to make; the first reading's data set is the one that is searched on and that sets
    the times.
    """

    title: str
    network: Network
    readings: tuple[_Reading, ...]


_HALF, _FULL, _TRAIN = (
    f"network trained on {on}" for on in ("train (25 k)", "train+valid (50 k)", "train")
)


def _plain(title: str, dataset: str, network: Network) -> _DataSet:
    names = {"train": "train_{}", "x-valid": "valid_{}", "x-test": "test_{}"}
    return _DataSet(
        title, network, tuple(_Reading(dataset, *pair, _TRAIN) for pair in names.items())
    )


_DATA_SETS = {
    "cifar10": _DataSet(
        "CIFAR-10",
        Network(classes=10),
        (
            _Reading("cifar10-valid", "train", "train_{}", _HALF),
            _Reading("cifar10-valid", "x-valid", "valid_{}", _HALF),
            _Reading("cifar10-valid", "ori-test", "test_{}_25k", _HALF),
            _Reading("cifar10", "ori-test", "test_{}", _FULL),
        ),
    ),
    "cifar100": _plain("CIFAR-100", "cifar100", Network(classes=100)),
    "imagenet16": _plain(
        "ImageNet16-120", "ImageNet16-120", Network(classes=120, image_size=16)
    ),
}
_LATENCY_NOTE = (
    "read by the authors on a GPU that the records do not name, without synchronising, batch 256;"
    " never to be mixed with a device's latency"
)
RECORD_LATENCY = Metric("latency@record", "ms", "search", "cost", description=_LATENCY_NOTE)
_TRAIN_SECONDS = Metric(
    "train_seconds", "s", "record", "cost", description="the whole training run"
)
_VALID_SECONDS = Metric(
    "valid_seconds", "s", "record", "cost", description="one validation pass"
)


class RecordTables:
    """Gathers records one at a time; holds only the columns, 20 to 80 MB for a whole space.

    Example:
        >>> tables = RecordTables("mine", "NATS-Bench, topology space", "my folder")
        >>> tables.tables()
        []
    """

    def __init__(
        self,
        prefix: str,
        title: str,
        source: str,
        kind: Records = TOPOLOGY,
    ) -> None:
        """Start with no records."""
        self._prefix = prefix
        self._title = title
        self._source = source
        self._kind = kind
        self._space = listed(space_named(kind.space))
        by_seed = partial(defaultdict[int, Values], self._nothing)
        self._columns: dict[tuple[str, str, int | None], dict[int, Values]] = defaultdict(
            by_seed
        )

    def add(self, record: object, origin: str) -> None:
        """Add one architecture's record; of one added before, what both hold is replaced."""
        try:
            runs, architecture = _runs(record, self._kind)
            index = self._space.parse(architecture).index
            for name, data in _DATA_SETS.items():
                self._add(name, data, index, runs)
        except UserError as error:
            raise UserError(f"{origin} cannot be imported: {error}") from error
        except (
            AssertionError,
            AttributeError,
            LookupError,
            ArithmeticError,
            RuntimeError,
            TypeError,
            ValueError,
        ) as error:
            reason = " ".join(printable(error).split())
            raise UserError(
                f"{origin} is no official record ({type(error).__name__}: {reason:.300})."
            ) from error

    def _add(
        self,
        name: str,
        data: _DataSet,
        index: int,
        runs: Mapping[int, Any],
    ) -> None:
        for epochs, results in runs.items():
            for reading in data.readings:
                for seed, trial in _trials(results, reading.dataset, epochs):
                    for what, value in _loss_and_error(
                        trial, reading.images, epochs
                    ).items():
                        self._put(
                            name, reading.metric.format(what), epochs, seed, index, value
                        )
        longest: dict[str, int] = {}
        for epochs in sorted(runs, reverse=True):
            for seed, trial in _trials(runs[epochs], data.readings[0].dataset, epochs):
                seconds = float(
                    np.sum([_number(trial.train_times, epoch) for epoch in range(epochs)])
                )
                self._put(name, _TRAIN_SECONDS.name, epochs, seed, index, seconds)
                for metric, value in _fixed(trial, epochs).items():
                    if np.isfinite(value) and longest.setdefault(metric, epochs) == epochs:
                        self._put(name, metric, None, seed, index, value)

    def _put(
        self,
        name: str,
        metric: str,
        epochs: int | None,
        seed: int,
        index: int,
        value: float,
    ) -> None:
        if np.isfinite(value):
            self._columns[name, metric, epochs][seed][index] = value

    def tables(self) -> list[Table]:
        """The tables of the data sets that the records hold anything of, cifar10, cifar100,
        imagenet16.
        """
        names = {name for name, _, _ in self._columns}
        return [
            self._table(name, data) for name, data in _DATA_SETS.items() if name in names
        ]

    def _table(self, name: str, data: _DataSet) -> Table:
        table = Table(
            name=f"{self._prefix}-{name}",
            space=self._space.definition,
            title=f"{self._title} on {data.title}",
            source=self._source,
            licence="MIT",
            citation=CITATION,
            objective="valid_error",
            network=data.network,
        )
        metrics = [
            *(_metric(r, what) for r in data.readings for what in _UNITS),
            _TRAIN_SECONDS,
        ]
        for metric, epochs in [
            *product(metrics, sorted({*self._kind.runs.values()})),
            (_VALID_SECONDS, None),
            (RECORD_LATENCY, None),
        ]:
            if seeds := self._columns.get((name, metric.name, epochs)):
                stacked = np.stack([seeds[seed] for seed in sorted(seeds)])
                counts = np.isfinite(stacked).sum(axis=0)
                mean = np.where(
                    counts > 0, np.nansum(stacked, axis=0) / np.maximum(counts, 1), np.nan
                )
                per_seed = None if epochs is None else dict(seeds)
                table.add(
                    replace(metric, source=self._source),
                    epochs,
                    mean,
                    counts.astype(np.int16),
                    per_seed,
                )
        has_value = np.any(
            [np.isfinite(column) for column in table.columns.values()], axis=0
        )
        if not has_value.all():
            table.title += f" ({has_value.sum():,} of the {len(has_value):,} architectures)"
        if self._lacks_times(table):
            table.cost = "queries"
            table.banner = _NO_TIMES
        return table

    def _nothing(self) -> Values:
        return np.full(len(self._space), np.nan)

    def _lacks_times(self, table: Table) -> bool:
        """Whether some result lacks the times that a query of it costs."""
        valid = table.columns.get(
            ColumnKey(_VALID_SECONDS.name, None, "mean"), self._nothing()
        )
        for key in (key for key in table.columns if key.epochs is not None):
            train = table.columns.get(
                ColumnKey(_TRAIN_SECONDS.name, key.epochs, "mean"), self._nothing()
            )
            if (np.isfinite(table.columns[key]) & np.isnan(train + valid)).any():
                return True
        return False


def kind_of(text: str) -> Records | None:
    """The kind of records that a name or an architecture shows; None where it shows none."""
    if re.search(r"NATS-sss|^\d+(:\d+)+$", text):
        return SIZE
    return TOPOLOGY if re.search(r"NATS-tss|^\|", text) else None


def _runs(record: object, kind: Records) -> tuple[dict[int, Any], str]:
    """The runs of a record by their epochs, and the one architecture that they are of."""
    from nas_201_api import ArchResults

    if not isinstance(record, dict) or not record:
        raise TypeError(f"expected a dict of runs, found {type(record).__name__}")
    architectures = {state["arch_str"] for state in record.values()}
    if len(architectures) != 1:
        raise ValueError(
            f"its runs are of different architectures, {sorted(architectures)}"
        )
    architecture = str(architectures.pop())
    if kind_of(architecture) not in (kind, None):
        other = SIZE if kind is TOPOLOGY else TOPOLOGY
        raise UserError(
            f"it is of {other.what} ({printable(architecture):.80}), not of {kind.what}."
        )
    if not set(record) <= set(kind.runs):
        raise ValueError(
            f"unknown runs {sorted(set(record) - set(kind.runs))}; known are {', '.join(kind.runs)}"
        )
    return {
        kind.runs[run]: ArchResults.create_from_state_dict(state)
        for run, state in record.items()
    }, architecture


def _trials(results: Any, dataset: str, epochs: int) -> Iterator[tuple[int, Any]]:
    """The seeds and the ``ResultsCount`` of the trials that are held."""
    for seed in (
        results.get_dataset_seeds(dataset) if dataset in results.dataset_seed else ()
    ):
        if (dataset, seed) in results.all_results:
            trial = results.query(dataset, seed)
            if trial.epochs != epochs:
                raise ValueError(
                    f"the run of {epochs} epochs on {dataset} has {trial.epochs}"
                )
            yield int(seed), trial


def _number(values: Any, key: object) -> float:
    """A number of a trial, NaN where it is not held (the API's own getters fail on the whole set
    then).
    """
    value = None if values is None else values.get(key)
    return np.nan if value is None else float(value)


def _loss_and_error(trial: Any, images: str, epochs: int) -> dict[str, float]:
    """Loss (nats) and error (%) on a set of images after the last epoch."""
    is_train = images == "train"
    key = epochs - 1 if is_train else f"{images}@{epochs - 1}"
    accuracy = _number(trial.train_acc1es if is_train else trial.eval_acc1es, key)
    return {
        "loss": _number(trial.train_losses if is_train else trial.eval_losses, key),
        "error": 100.0 - accuracy,
    }


def _fixed(trial: Any, epochs: int) -> dict[str, float]:
    """What is the same for every run: seconds of a validation pass, and latency in ms, held as
    seconds or -1.
    """
    latencies = [float(seconds) for seconds in trial.latency or () if seconds > 0]
    return {
        _VALID_SECONDS.name: _number(trial.eval_times, f"x-valid@{epochs - 1}"),
        RECORD_LATENCY.name: 1000.0 * sum(latencies) / len(latencies)
        if latencies
        else np.nan,
    }


def _metric(reading: _Reading, what: Literal["loss", "error"]) -> Metric:
    name = reading.metric.format(what)
    note = f"{reading.note}, after the last epoch of the run"
    return score_metric(name, _UNITS[what], what, note, split=reading.images)
