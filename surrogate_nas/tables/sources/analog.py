"""AnalogNAS-Bench: the NAS-Bench-201 space on CIFAR-10, digital and on simulated analogue hardware.

Installed as the package ``analog-nasbench``. It holds *test* accuracies only: no validation split,
no losses, no training times, and it states no licence. Its pickle is read through an allow-list,
never executed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from surrogate_nas.core.extras import package_folder
from surrogate_nas.core.metrics import score_metric
from surrogate_nas.space import nb201
from surrogate_nas.space.network import Network
from surrogate_nas.tables import Table
from surrogate_nas.tables.sources.base import Verified, declared, package_of, reading
from surrogate_nas.tables.sources.frame import Facts, check_facts
from surrogate_nas.tables.sources.pickles import read_pickle_file

NAMES = declared("analog").names
PACKAGE = package_of("analog")
(NAME,) = NAMES
BANNER = (
    "This table holds test accuracies only. Searching on it is searching on a test split with"
    " nothing held out: use it to compare strategies, not to claim that an architecture"
    " generalises. Every query costs one unit; the table has no training times."
)
_ACCURACIES = {
    "digital_error": ("baseline_accuracy", "in digital arithmetic"),
    "ptq_error": ("ptq_accuracy", "after post-training quantisation"),
    "qat_error": ("qat_accuracy", "after quantisation-aware training"),
    "noisy_error": ("noisy_accuracy", "under analogue noise, trained without it"),
    "analog_error": ("analog_accuracy", "under analogue noise, trained for it"),
}
"""By metric the field of a record and what it is."""
for _kind, _field, _training in (
    ("digital", "baseline", "trained without noise"),
    ("analog", "analog", "trained for analogue noise"),
):
    for _seconds in (60, 3600, 86400, 2592000):
        _ACCURACIES[f"{_kind}_drift_{_seconds}s_error"] = (
            f"{_field}_drift_{_seconds}",
            f"{_seconds} s after programming, {_training}",
        )


class _Record:
    """Stands for the package's own classes, which are never imported."""


def read(name: str = NAME) -> Table:  # noqa: ARG001 - there is one
    """Read the installed package's file into a table."""
    return read_file(package_folder(PACKAGE) / "data.anb")


def verify() -> Iterator[Verified]:
    """Check the table against what the package's own description says."""
    return check_facts(NAME, Facts(cells=len(nb201())))


def read_file(path: Path) -> Table:
    """Read a file of the package's format."""
    allowed = {
        "analognasbench.data.Architecture": _Record,
        "analognasbench.data.DriftMeasurement": _Record,
    }
    space = nb201()
    table = Table(
        name=NAME,
        space=space.name,
        title="AnalogNAS-Bench: CIFAR-10 test errors, digital and under analogue noise and drift",
        source="Python package analog-nasbench",
        objective="digital_error + 0.02*params",
        network=Network(classes=10),
        cost="queries",
        banner=BANNER,
    )
    with reading(path, f"file of {PACKAGE[0]}"):
        records = read_pickle_file(path, allowed)
        order = [space.from_naslib(key).index for key in records]
        if sorted(order) != list(range(len(space))):
            raise ValueError(f"it lists {len(order)} cells, not each of the {len(space)} once")
        for name, (field, description) in _ACCURACIES.items():
            raw = [getattr(record, field) for record in records.values()]
            errors = np.full(len(space), np.nan)
            errors[order] = [100.0 - float(getattr(value, "value", value)) for value in raw]
            metric = score_metric(
                name,
                "%",
                "error",
                f"CIFAR-10 test error {description}; nothing held out",
                table.source,
                split="test",
            )
            table.add(metric, None, errors)
    return table
