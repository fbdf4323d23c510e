"""Benchmarks that are extended by further metrics from files, such as latencies measured on this
machine.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import wraps
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from surrogate_nas.benchmarks.base import (
    Benchmark,
    Measurement,
    Question,
    Values,
    untrained,
)
from surrogate_nas.benchmarks.computed import Computed
from surrogate_nas.benchmarks.computed import Metric as Declared
from surrogate_nas.benchmarks.learned import open_learned
from surrogate_nas.benchmarks.reading import FilesRead
from surrogate_nas.benchmarks.sourced import TABLE_SUFFIX
from surrogate_nas.benchmarks.table import TableBenchmark, open_table
from surrogate_nas.core import Direction, Metric, UserError, json_digest, renamed
from surrogate_nas.space import Cell, Network, Space
from surrogate_nas.surrogates.storage import is_surrogate
from surrogate_nas.tables import Contents, MemoryTable, Run, Seed
from surrogate_nas.tables.sources.spreadsheet import read

_OF_THE_BASE = (
    "name",
    "open_units",
    "space",
    "cost_unit",
    "objective",
    "licence",
    "citation",
    "default_seed",
    "seed_policy",
    "address",
    "more",
    "one_by_one",
    "one_curve",
    "in_server",
)


def _by_owner(name: str) -> Any:
    """Create a method that calls the owner of its metric, with the owner's seed."""

    @wraps(getattr(Benchmark, name))
    def answered(self: "JoinedBenchmark", *arguments: Any) -> Any:
        asked = next(a for a in arguments if isinstance(a, str | Question))
        owner = self._owner(asked if isinstance(asked, str) else asked.metric)
        seeded = name in ("n_seeds", "scale", "free") and arguments[-1] is not asked
        if owner is not self.base and seeded:
            arguments = (*arguments[:-1], owner.default_seed)
        return getattr(owner, name)(*arguments)

    return answered


class _Spreadsheet(TableBenchmark):
    """The metrics of a CSV file, for cells of a space."""

    __reduce__ = object.__reduce__  # type: ignore[assignment]  # the file may change

    def __init__(self, path: Path, space: Space) -> None:
        table = read(path, path.stem, (), space)
        digests = (
            (str(key), column.tobytes()) for key, column in table.columns.items()
        )
        digest = json_digest([[k, hashlib.sha256(v).hexdigest()] for k, v in digests])
        self.path = path
        self._hold(MemoryTable(table, digest))


def _opened(path: Path, space: Space) -> Benchmark:
    if path.suffix in (".csv", ".parquet"):
        return _Spreadsheet(path, space)
    if is_surrogate(path):
        return open_learned(str(path))
    if path.suffix != TABLE_SUFFIX:
        raise UserError(
            f"{path} cannot be joined: a file with metrics is a table (.h5), a CSV file (.csv), or"
            " a surrogate."
        )
    return open_table(path)


def with_metrics(
    base: Benchmark, metrics: Any, unit: str, direction: Direction | None, cheap: bool
) -> "JoinedBenchmark":
    """Add metrics to a benchmark, as `Benchmark.with_metrics` describes."""
    if isinstance(metrics, str | Path):
        return JoinedBenchmark(base, [Path(metrics)])
    extra: Benchmark
    if isinstance(metrics, Mapping):
        own = {
            name: given
            if isinstance(given, Declared)
            else Declared(given, unit=unit, direction=direction)
            for name, given in metrics.items()
        }
        extra = Computed(base.space, own, network=base.network, cheap=cheap)
    elif not hasattr(metrics, "to_csv"):
        raise UserError(
            "metrics must be a mapping of names to functions of a cell, a data frame, or a file,"
            f" not {metrics!r:.80}."
        )
    else:
        with TemporaryDirectory() as folder:
            path = Path(folder) / "frame.csv"
            metrics.to_csv(path, index=False)
            extra = _Spreadsheet(path, base.space)
        extra.source = "a data frame"
        extra.metrics = [
            replace(m, source=extra.source) if folder in m.source else m
            for m in extra.metrics
        ]
    joined = JoinedBenchmark(base, [Path("with_metrics")], [extra])
    # made by code, which nothing but that code makes again
    joined.joined, joined.address = (), ""
    return joined


Benchmark._join = with_metrics


class JoinedBenchmark(Benchmark):
    """A benchmark to which files or functions have added metrics. Queries of the added metrics are
    free of charge.

    An added metric must not have the same name as a metric of the original benchmark. Metrics that
    are computed from the cell alone (`params`, `macs` …) and zero-cost proxies are always taken
    from the original benchmark.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> import surrogate_nas as sn
        >>> from surrogate_nas.core.metrics import metric_named
        >>> from surrogate_nas.tables import Table, write_table
        >>> table = Table("mine", "nb201", "stopwatch", "measured here")
        >>> table.add(metric_named("latency@mine"), None, np.linspace(1.0, 9.0, 15625))
        >>> with TemporaryDirectory() as folder:
        ...     write_table(table, Path(folder) / "mine.h5")
        ...     sn.load("fashion", with_=[f"{folder}/mine.h5"]).query(
        ...         0, "latency@mine"
        ...     ).value
        1.0
    """

    def __init__(
        self, base: Benchmark, files: Sequence[Path], extras: Sequence[Benchmark] = ()
    ) -> None:
        """Join tables or surrogates of the same space.

        Args:
            base: The benchmark.
            files: The files with further metrics.
            extras: The opened benchmarks of the files; opened from the files if omitted.

        Raises:
            UserError: A file cannot be opened, has another space, contains nothing to join, or a
                name exists twice.
        """
        extras = extras or [_opened(file.absolute(), base.space) for file in files]
        self.base = base
        self._files = files
        self.joined = (*base.joined, *(file.absolute() for file in files))
        vars(self).update({name: getattr(base, name) for name in _OF_THE_BASE})
        self._owners: dict[str, Benchmark] = {}
        pairs = list(zip(extras, files, strict=True))
        added = [metric for pair in pairs for metric in self._own(*pair)]
        self.metrics = (*base.metrics, *added)
        names = ", ".join(metric.name for metric in added)
        self.title = f"{base.title}; joined: {names}"
        sources = (f"{extra.name}: {extra.source}" for extra in extras)
        self.source = "; ".join([base.source, *sources])
        warnings = (f"{file}: {extra.banner}" for extra, file in pairs if extra.banner)
        self.banner = " ".join(filter(None, [base.banner, *warnings]))
        self.charge = (
            f"{base.charge} Joined metrics ({names}) were measured before and are free."
        )
        self.has_columns = base.has_columns and all(
            extra.has_columns for extra in extras
        )
        self._extras = extras

    def _own(self, extra: Benchmark, file: Path) -> list[Metric]:
        """Return the metrics that a file adds, and store its benchmark as their owner."""
        if extra.space.definition != self.space.definition:
            same_name = extra.space.name == self.space.name
            note = ", which has other cells" if same_name else ""
            raise UserError(
                f"The space of {file} is {extra.space.name}, but that of {self.name} is"
                f" {self.space.name}{note}. Only files of the same space can be joined."
            )
        unmeasured = untrained(self.space)
        own = [
            metric
            for metric in extra.metrics
            if metric.name not in unmeasured
            or (metric.source != "analytic" and metric != unmeasured[metric.name][0])
        ]
        if not own:
            raise UserError(f"{file} contains no metric to join.")
        taken = {metric.name for metric in self.base.metrics} | self._owners.keys()
        if twice := sorted(taken & {metric.name for metric in own}):
            more = f" (and {len(twice) - 1} more)" if twice[1:] else ""
            raise UserError(
                f"{twice[0]}{more} of {file} is in {self.name} already; two sources are never mixed"
                " in one metric."
            )
        self._owners |= {metric.name: extra for metric in own}
        return own

    @property
    def contents(self) -> Contents:
        """Digests of the columns of the original benchmark and of the added files; empty if one of
        them has only a fingerprint.
        """
        if not all(benchmark.contents for benchmark in (self.base, *self._extras)):
            return {}
        owned = ((name, extra.contents) for name, extra in self._owners.items())
        added = {name: contents[name] for name, contents in owned if name in contents}
        return {**self.base.contents, **added}

    def only(self, runs: Collection[Run]) -> "JoinedBenchmark":
        """Return the same extended benchmark with only some columns of the original benchmark. All
        added metrics are kept.
        """
        part = JoinedBenchmark(self.base.only(runs), self._files, self._extras)
        part.joined, part.address = self.joined, self.address
        return part

    @property
    def identity(self) -> str:
        """The identity of the original benchmark, without the added files. The added files are part
        of the fingerprint instead.
        """
        return self.base.identity

    @property
    def files(self) -> FilesRead | None:
        """The record of files that user-defined functions of the original benchmark read."""
        return self.base.files

    @property
    def begins_at_random(self) -> bool:
        """Whether a single search starts with random cells, as for the original benchmark."""
        return self.base.begins_at_random

    @property
    def network(self) -> Network:  # type: ignore[override]
        """The macro architecture of the original benchmark. If an added metric belongs to another
        macro architecture, the metric's description says so.
        """
        return self.base.network

    @property
    def fingerprint(self) -> str:
        """A digest of the fingerprints of the original benchmark and of the added files."""
        fingerprints = " ".join(
            benchmark.fingerprint for benchmark in (self.base, *self._extras)
        )
        return hashlib.sha256(f"joined {fingerprints}".encode()).hexdigest()

    def _owner(self, metric: str) -> Benchmark:
        return self._owners.get(metric, self.base)

    def question(self, name: str, epochs: int | None = None) -> Question:
        """Check a metric's name and its training length, and return both as a `Question`.

        Raises:
            UserError: The metric is unknown, or the benchmark has no values of it after so many
                epochs.
        """
        return self._owner(self.metric(name).name).question(name, epochs)

    def measure(
        self,
        cells: Sequence[Cell],
        questions: Sequence[Question],
        training_seed: Seed = "mean",
    ) -> Measurement:
        """Return the values of metrics, each from the original benchmark or from the file that
        added the metric.

        The values of added metrics are always those of the default seed of their file.

        Raises:
            UserError: A requested training seed or value is not available.
        """
        owners = [self._owner(question.metric) for question in questions]
        values = np.empty((len(cells), len(questions)))
        for owner in (*self._extras, self.base):
            columns = [j for j, other in enumerate(owners) if other is owner]
            is_base = owner is self.base
            if columns or is_base:
                asked = [questions[j] for j in columns]
                own_seed = training_seed if is_base else owner.default_seed
                values[:, columns], cost = owner.measure(cells, asked, own_seed)
        return Measurement(values, cost)

    @renamed(seed="training_seed")
    def column(
        self,
        metric: str,
        epochs: int | None = None,
        training_seed: Seed | None = None,
    ) -> Values:
        """Return a metric's values for all cells, from the original benchmark or from the file that
        added the metric.
        """
        owner = self._owner(self.metric(metric).name)
        return owner.column(
            metric, epochs, training_seed if owner is self.base else None
        )

    def continued(
        self,
        cell: Cell,
        since: int,
        epochs: int,
        metrics: Sequence[str] = (),
        *,
        training_seed: Seed | None = None,
    ) -> float:
        """Return the cost of continuing a cell's training in the original benchmark. Added metrics
        are free of charge.
        """
        own = [metric for metric in metrics if metric not in self._owners]
        return self.base.continued(
            cell, since, epochs, own, training_seed=training_seed
        )

    def final(self, cell: Cell) -> dict[str, float | None]:
        """Return the final metrics of the original benchmark and of the added files. A joined
        surrogate adds the true values of the metrics that it predicts.
        """
        values: dict[str, float | None] = {}
        for owner in (*self._extras, self.base):
            values |= owner.final(cell)
        return values

    def seeds(self, question: Question) -> tuple[int, ...]:
        """Return the training seeds that the original benchmark has for a metric. A metric that was
        added from a file has no choice of seeds.
        """
        return () if question.metric in self._owners else self.base.seeds(question)

    def predicted_cost(self, cell: Cell, epochs: int | None) -> float:
        """Return the cost of an evaluation that the original benchmark predicts. Added metrics are
        free of charge.
        """
        return self.base.predicted_cost(cell, epochs)

    def recall(self, cell: str, values: Mapping[str, float]) -> None:
        """Cache the values of a cell in the original benchmark."""
        self.base.recall(cell, values)

    n_seeds = _by_owner("n_seeds")
    scale = _by_owner("scale")
    free = _by_owner("free")
    source_of = _by_owner("source_of")
    reference_sample = _by_owner("reference_sample")
    is_expensive = _by_owner("is_expensive")
    check_value = _by_owner("check_value")
