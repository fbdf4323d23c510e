"""Anomaly detection: days of Italy's electricity demand; summer's are normal, winter's are not.
Judged by the AUC.

Hourly demand of 1,096 days (Keogh et al., "Intelligent icons", 2006), each standardised, from the
files that the packages sktime and aeon carry: the UCR archive's ItalyPowerDemand. The network sees
a day and answers its 24 hours through the pooled features. It is trained on summer days only (April
to September).
"""

from __future__ import annotations

import numpy as np

from surrogate_nas.core.errors import UserError
from surrogate_nas.training.data_folders import carried
from surrogate_nas.training.tasks.base import SPLIT_SEED, Schedule, Task, as_split
from surrogate_nas.training.tasks.checking import Split

HOURS = 24
_NAME = "ItalyPowerDemand"
_SUMMER = 2
"""The published label of the days from April to September."""
_N_TRAIN = 300


def load() -> dict[str, Split]:
    """300 summer days to train, and halves of all others: 397 / 399, of which 123 / 124 are of
    summer.
    """
    folder = carried(_NAME)
    if folder is None:
        raise UserError(
            "The task anomaly needs files that sktime and aeon carry: pip install"
            " 'surrogate_nas[tasks]'."
        )
    read = [parse((folder / f"{_NAME}_{part}.ts").read_text()) for part in ("TRAIN", "TEST")]
    days, labels = (np.concatenate(part) for part in zip(*read, strict=True))
    order = np.random.default_rng(SPLIT_SEED).permutation(len(days))
    summer, winter = (order[(labels[order] == _SUMMER) == is_summer] for is_summer in (True, False))
    rest = summer[_N_TRAIN:]
    half = len(winter) // 2
    middle = len(rest) // 2
    chosen = {
        "train": (summer[:_N_TRAIN], winter[:0]),
        "valid": (rest[:middle], winter[:half]),
        "test": (rest[middle:], winter[half:]),
    }
    splits = {}
    for name, (normal, anomalous) in chosen.items():
        inputs = days[np.concatenate([normal, anomalous])][:, None, None]
        splits[name] = as_split(inputs, np.repeat([0, 1], [len(normal), len(anomalous)]))
    return splits


def parse(text: str) -> tuple[np.ndarray, np.ndarray]:
    """Read days, shape ``(n, 24)``, and their published labels, shape ``(n,)``."""
    lines = [line.split(":") for line in text.splitlines() if line.strip() and line[0] not in "#@"]
    try:
        rows = []
        for day, _ in lines:
            rows.append([float(value) for value in day.split(",")])
        days = np.array(rows).reshape(len(lines), HOURS)
        labels = np.array([int(label) for _, label in lines])
    except ValueError as error:
        raise UserError(f"The file of {_NAME} is damaged: {error}.") from error
    if not len(days) or not np.isfinite(days).all() or not set(labels) <= {1, _SUMMER}:
        raise UserError(
            f"The file of {_NAME} is damaged: it holds no days, or others than it should."
        )
    return days, labels


TASK = Task(
    name="anomaly",
    title="which days are not like a summer's? reconstruction of Italy's electricity demand",
    load=load,
    classes=2,
    kind="reconstruction",
    outputs=HOURS,
    channels=8,
    residual=False,
    schedule=Schedule(epochs=20, batch=16, learning_rate=0.05),
    source="ItalyPowerDemand of the UCR archive, carried by the packages sktime and aeon",
    is_here=lambda: carried(_NAME) is not None,
)
