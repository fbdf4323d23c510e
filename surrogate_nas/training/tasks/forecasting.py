"""Forecasting of monthly time series that statsmodels ships: predict the next year from the five
years before.

One series is the carbon dioxide at Mauna Loa from 1958 to 2001 (weekly values averaged to months;
the few months without a measurement are interpolated). The other series is the sea temperature off
Peru (Niño 1+2) from 1950 to 2010. Each window is standardised by the mean and standard deviation of
its past. Every series is divided into splits by time. Only the past of a window may reach into the
previous split. After trainings of the default length, the rankings of cells by two seeds agree.
After trainings twice as long, the rankings do not agree (figures: analysis/README.md, Calibration).
"""

import math

import numpy as np

from surrogate_nas.core import package_folder
from surrogate_nas.training.tasks import (
    SPLITS,
    Array,
    Schedule,
    Splits,
    Task,
    as_split,
)

SEASON = 12
"""The months in a season, which is also the forecast horizon."""
_PAST = 60
_CUTS = (0.6, 0.8)


def load() -> Splits:
    """Return all windows of both series: 612 for training, 229 for validation, 231 for testing. A
    window has 60 months as inputs and 12 months as targets.
    """
    splits = [windows(series) for series in (carbon_dioxide(), sea_temperature())]
    joined = {name: np.concatenate([part[name] for part in splits]) for name in SPLITS}
    return {name: as_split(*_standardised(rows)) for name, rows in joined.items()}


def carbon_dioxide() -> Array:
    """Return the monthly means of carbon dioxide at Mauna Loa in parts per million, shape
    ``(526,)``.
    """
    months: dict[str, list[float]] = {}
    for day, measured in _rows("co2"):
        weeks = months.setdefault(day[: len("YYYYMM")], [])
        if measured:
            weeks.append(float(measured))
    means = {
        i: math.fsum(own) / len(own) for i, own in enumerate(months.values()) if own
    }
    return np.interp(np.arange(len(months)), [*means], [*means.values()])


def sea_temperature() -> Array:
    """Return the monthly means of the sea temperature off Peru in °C, shape ``(732,)``."""
    return np.array(
        [float(month) for _, *months in _rows("elnino") for month in months]
    )


def _rows(name: str) -> list[list[str]]:
    """Return the rows of a data set in statsmodels' own file; importing the library takes longer
    than reading.
    """
    file = (
        package_folder(("statsmodels", "statsmodels"))
        / "datasets"
        / name
        / f"{name}.csv"
    )
    return [
        line.split(",") for line in file.read_text(encoding="utf-8").splitlines()[1:]
    ]


def windows(series: Array) -> dict[str, Array]:
    """Return the windows of a series, each with past and horizon, shape ``(n, 72)``. A window
    belongs to the split that contains its whole horizon.
    """
    all_of_it = np.lib.stride_tricks.sliding_window_view(series, _PAST + SEASON)
    first = np.arange(len(all_of_it)) + _PAST
    stops = [0, *(int(cut * len(series)) for cut in _CUTS), len(series)]
    return {
        name: all_of_it[(first >= a) & (first + SEASON <= b)]
        for name, a, b in zip(SPLITS, stops[:-1], stops[1:], strict=True)
    }


def _standardised(rows: Array) -> tuple[Array, Array]:
    past = rows[:, :_PAST]
    scaled = (rows - past.mean(1, keepdims=True)) / past.std(1, keepdims=True)
    return scaled[:, None, None, :_PAST], scaled[:, _PAST:]


TASK = Task(
    name="forecasting",
    title="what are the next twelve months? carbon dioxide and the sea's temperature",
    load=load,
    classes=SEASON,
    kind="regression",
    channels=8,
    residual=False,
    schedule=Schedule(epochs=10, batch=32, learning_rate=0.03),
    measures=("mase", "mae", "rmse"),
    source="statsmodels' copies of NOAA's series co2 and elnino, public domain",
    packages=("statsmodels",),
)
