"""Anomaly detection in the daily electricity demand of Italy. Summer days are normal, and winter
days are anomalous.

The data is the hourly demand on 1,096 days, each day standardised (Keogh et al., "Intelligent
icons", 2006). The data set is ItalyPowerDemand of the UCR archive, which is part of the packages
sktime and aeon. The network reconstructs the 24 hourly values of a day. The network is trained on
summer days only (April to September).
"""

import numpy as np

from surrogate_nas.core import UserError
from surrogate_nas.training.tasks import (
    SPLITS,
    Array,
    Schedule,
    Splits,
    Task,
    as_split,
    split_rng,
)
from surrogate_nas.training.tasks.vowels import carried, series

HOURS = 24
_NAME = "ItalyPowerDemand"
# The published label of the days from April to September.
_SUMMER = 2
_N_TRAIN = 300


def load() -> Splits:
    """Return 300 summer days for training. The other days are divided into 397 for validation (123
    of them summer days) and 399 for testing (124 of them summer days).
    """
    rows = [day for part in ("TRAIN", "TEST") for day in series("anomaly", _NAME, part)]
    days, labels = arrays(rows)
    order = split_rng().permutation(len(days))
    summer, winter = (order[labels[order] == label] for label in (_SUMMER, 1))
    normal = np.split(summer, [_N_TRAIN, (_N_TRAIN + len(summer)) // 2])
    anomalous = winter[:0], *np.split(winter, [len(winter) // 2])
    splits = {}
    for name, *parts in zip(SPLITS, normal, anomalous, strict=True):
        chosen = np.concatenate(parts)
        kinds = np.repeat([0, 1], [*map(len, parts)])
        splits[name] = as_split(days[chosen][:, :, None], kinds)
    return splits


def arrays(rows: list[tuple[Array, int]]) -> tuple[Array, Array]:
    """Return days as signals, shape ``(n, 1, 24)``, and their published labels, shape ``(n,)``."""
    for day, label in rows:
        is_day = day.shape == (1, HOURS) and np.isfinite(day).all()
        if not is_day or label not in (1, _SUMMER):
            raise UserError(
                f"The file of {_NAME} is damaged: it does not contain the expected days."
            )
    return np.stack([day for day, _ in rows]), np.array([label for _, label in rows])


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
    has_files=lambda: carried(_NAME) is not None,
)
