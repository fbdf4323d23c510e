"""The same trainings as NAS-Bench-201's own file, version 1.1, has them, from NASGraph's CSV files.

In 16 % of the cells these means differ from NATS-Bench's, by up to 4.9 points, as they are over fewer seeds. So they
are metrics of their own, ``…@v1.1``, and stand in for nothing.
"""

from __future__ import annotations

from surrogate_nas.core.metrics import Kind, Metric
from surrogate_nas.tables import Table
from surrogate_nas.tables.sources.nb201.fetched import DataSet, check_order, files_of, origin, rows_of

REPOSITORY = "Zhenhan-Huang/NASGraph-Public"
_EPOCHS = 200
_SPLITS: tuple[tuple[str, str, Kind, str], ...] = (
    ("train", "train", "search", "train"),
    ("valid", "validation", "search", "x-valid"),
    ("test", "test", "final", "x-test"),
)
"""Ours, the file's, the kind, and NAS-Bench-201's name."""


def add(table: Table, data: DataSet) -> None:
    """Add to CIFAR-100 and ImageNet16-120 the errors of version 1.1.

    Args:
        table: The table to add to.
        data: Its data set.

    Raises:
        UserError: The file lists other architectures.
    """
    for path in files_of(REPOSITORY):
        if path.name == f"nasbench201_{data.official}.csv":
            rows = rows_of(path)
            check_order(rows["arch str"], path)
            for split, spelled, kind, images in _SPLITS:
                note = (
                    f"NAS-Bench-201 version 1.1, mean over fewer seeds than {split}_error, and not to be mixed with it"
                )
                metric = Metric(
                    f"{split}_error@v1.1", "%", kind, "error", split=images, description=note,
                    source=origin(REPOSITORY),
                )  # fmt: skip
                table.add(metric, _EPOCHS, 100.0 - rows[f"{spelled} accuracy"].to_numpy(dtype=float))
