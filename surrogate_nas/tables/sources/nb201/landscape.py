"""Test errors after 200 and 12 epochs, from nats-bench-landscape's two CSV files."""

from __future__ import annotations

from surrogate_nas.core.metrics import Metric
from surrogate_nas.tables import Table
from surrogate_nas.tables.sources.nb201.fetched import DataSet, check_order, files_of, origin, rows_of

REPOSITORY = "v-tao/nats-bench-landscape"
_CELLS = "ArchitectureString"


def add(table: Table, data: DataSet) -> None:
    """Add the test errors: means over seeds, and one draw of an unnamed seed, which is kept apart from these.

    Args:
        table: The table to add to.
        data: Its data set.

    Raises:
        UserError: A file lists other architectures.
    """
    after_200, after_12 = map(rows_of, files_of(REPOSITORY))
    for path, rows in zip(files_of(REPOSITORY), (after_200, after_12), strict=True):
        check_order(rows[_CELLS], path)
    source = origin(REPOSITORY)
    note = f"trained on {data.tested}, mean over seeds"
    mean = Metric("test_error", "%", "final", "error", split=data.test_split, description=note, source=source)
    table.add(mean, 200, 100.0 - after_200[data.after_200].to_numpy(dtype=float))
    table.add(mean, 12, 100.0 - after_12[f"{data.after_12}TestAccuracy12Epochs"].to_numpy(dtype=float))
    one = Metric(
        "test_error_one_seed", "%", "final", "error", split=data.test_split,
        description="one draw of an unnamed seed", source=source,
    )  # fmt: skip
    table.add(one, 200, 100.0 - after_12[f"{data.after_12}TestAccuracy200Epochs"].to_numpy(dtype=float), 1)
