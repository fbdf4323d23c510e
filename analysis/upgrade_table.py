"""Write a table of version 1 anew in today's format, its numbers unchanged.

.venv/bin/python analysis/upgrade_table.py OLD.h5 NEW.h5
"""

import json
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from surrogate_nas.core.metrics import Metric
from surrogate_nas.space.network import Network
from surrogate_nas.tables import ColumnKey, Table, TableFile, write_table
from surrogate_nas.tables.table import TEXTS


def read_version_1(path: Path) -> Table:
    """The table of an old file."""
    with h5py.File(path, "r") as file:
        texts: dict[str, Any] = {key: str(file.attrs.get(key, "")) for key in TEXTS}
        texts["epochs"] = (
            "curve"
            if "a point on its curve" in str(dict(file["columns/valid_loss"].attrs))
            else "runs"
        )
        table = Table(**texts, network=Network(**json.loads(file.attrs["network"])))
        for name, group in file["columns"].items():
            runs = {text: None if text == "any" else int(text) for text in group}
            epochs = tuple(sorted(run for run in runs.values() if run is not None))
            details: dict[str, Any] = {
                k: v if isinstance(v, str) else int(v) for k, v in group.attrs.items()
            }
            table.metrics[name] = Metric(name=name, epochs=epochs, **details)
            for text, run in runs.items():
                table.sources[name, run] = str(group[text].attrs["source"])
                table.n_seeds[name, run] = np.asarray(group[text]["n_seeds"])
                for seed in set(group[text]) - {"n_seeds"}:
                    key = ColumnKey(name, run, "mean" if seed == "mean" else int(seed))
                    table.columns[key] = np.asarray(group[text][seed])
    return table


def main() -> None:
    """Write the new file and hold every number in it against the old one."""
    old, new = (Path(argument) for argument in sys.argv[1:3])
    table = read_version_1(old)
    write_table(table, new, compressed=True)
    file = TableFile(new)
    assert file.keys == set(table.columns)
    assert file.metrics == table.metrics
    for key, values in table.columns.items():
        assert file.column(key).tobytes() == values.tobytes(), key
    for run, counts in table.n_seeds.items():
        assert file.n_seeds(*run).tobytes() == counts.tobytes(), run
    print(
        f"{len(file.keys)} columns, every byte the same; {old.stat().st_size:,} bytes became"
        f" {new.stat().st_size:,}"
    )


if __name__ == "__main__":
    main()
