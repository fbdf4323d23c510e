"""AnalogNAS-Bench: the NAS-Bench-201 space on CIFAR-10, on digital and on simulated analogue
hardware.

The data is in the package ``analog-nasbench``. The package contains only *test* accuracies: no
validation split, no losses, no training times. The package states no licence. The pickle file of
the package is read through an allow-list, never executed.
"""

from surrogate_nas.core import package_folder
from surrogate_nas.space import nb201
from surrogate_nas.tables import Table
from surrogate_nas.tables.sources.base import package_of, reading
from surrogate_nas.tables.sources.declaration import table_of
from surrogate_nas.tables.sources.pickles import read_pickle_file


class _Record:
    """A stand-in for the package's own classes, which are never imported."""


def read(name: str) -> Table:
    """Convert the file of the installed package to a table."""
    path = package_folder(package_of("analog")) / "data.anb"
    allowed = {
        "analognasbench.data.Architecture": _Record,
        "analognasbench.data.DriftMeasurement": _Record,
    }
    space = nb201()
    with reading(path, "file of analog-nasbench"):
        records = {
            space.from_naslib(key).index: {
                field: getattr(value, "value", value)
                for field, value in vars(record).items()
            }
            for key, record in read_pickle_file(path, allowed).items()
        }
        if len(records) != len(space):
            raise ValueError(
                f"it lists {len(records):,} cells, not all of the {len(space):,}"
            )
        return table_of(
            "analog", name, space, [records[index] for index in range(len(space))]
        )
