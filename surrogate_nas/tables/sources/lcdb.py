"""LCDB: learning curves over training sizes of 20 scikit-learn classifiers on 248 OpenML sets.

Mohr, Viering, Loog & van Rijn, "LCDB 1.0: An Extensive Learning Curves Database for Classification
Tasks", ECML PKDD 2022. Its package is fetched as a source archive, of which four spreadsheets are
read; nothing of it is installed or imported.

``lcdb-ID`` is the OpenML set of that number. A cell is a learner, of those that came to an end
there; epochs are training sizes, each a training of its own; seed ``5·outer + inner`` is one of
5 × 5 splits, of which the outer draws the test set and the inner the validation set. Further inner
splits of ten sets are left out. Areas under the ROC curve and F1 are of two classes. Eight learners
give no probabilities: their log loss is that of certain predictions.

Preprocessing was fitted before data were split, so that it knew validation and test data, as the
authors say. Trainings that failed or took too long are missing.
"""

from __future__ import annotations

import tarfile
from functools import lru_cache
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core.metrics import Metric, Quantity, score_metric
from surrogate_nas.space import EnumerableChoiceSpace
from surrogate_nas.tables import Table, Values
from surrogate_nas.tables.sources import fetching
from surrogate_nas.tables.sources.base import declared, read_once, reading
from surrogate_nas.tables.sources.declaration import CONVERSIONS, table_of

NAMES = declared("lcdb").names
OUTER = 5
INNER = 5
_SPLITS = ("train", "valid", "test")
_LEARNERS = (
    "SVC_linear",
    "SVC_poly",
    "SVC_rbf",
    "SVC_sigmoid",
    "LinearDiscriminantAnalysis",
    "QuadraticDiscriminantAnalysis",
    "ExtraTreesClassifier",
    "GradientBoostingClassifier",
    "RandomForestClassifier",
    "LogisticRegression",
    "PassiveAggressiveClassifier",
    "Perceptron",
    "RidgeClassifier",
    "SGDClassifier",
    "BernoulliNB",
    "MultinomialNB",
    "KNeighborsClassifier",
    "MLPClassifier",
    "DecisionTreeClassifier",
    "ExtraTreeClassifier",
)
_UNCERTAIN = frozenset(
    {*_LEARNERS} - {*_LEARNERS[:4]} - {*_LEARNERS[10:14]},
)
"""Those that give probabilities."""
_DIGITS = 1e4
"""Scores and seconds are rounded to four decimals; they are kept as whole numbers of these."""
_MISSING = np.iinfo(np.int32).min
_ROWS = 200_000


class _Kind(NamedTuple):
    """A spreadsheet: its metric, unit, quantity and meaning, and the conversion of its scores."""

    name: str
    unit: str
    quantity: Quantity
    meaning: str
    convert: str


_KINDS = {
    "accuracy": _Kind("error", "%", "error", "wrong", "error_of_share"),
    "logloss": _Kind("loss", "nats", "loss", "log loss, at most 34.5", "none"),
    "auc": _Kind("auc", "%", "quality", "area under the ROC curve", "times"),
    "f1": _Kind("f1", "%", "quality", "F1", "times"),
}


class Scores(NamedTuple):
    """A spreadsheet, a row a training: what it is of, its seconds, and its three scores.

    Attributes:
        data, size: The OpenML set, and the training size.
        learner, split: By their numbers; an int8 each.
        seconds, scores: As whole numbers of the fourth decimal; scores of shape ``(n, 3)``.
    """

    data: NDArray[np.int32]
    size: NDArray[np.int32]
    learner: NDArray[np.int8]
    split: NDArray[np.int8]
    seconds: NDArray[np.int32]
    scores: NDArray[np.int32]


def read(name: str) -> Table:
    """Read one set's rows of the fetched archive into a table."""
    return table_of_set(name, archive())


def archive() -> dict[str, Scores]:
    """The spreadsheets of the fetched archive by their kind, once a process: 146 MB in memory."""
    return read_archive(fetching.fetched("lcdb")[0])


@read_once
def read_archive(path: Path) -> dict[str, Scores]:
    """Read the spreadsheets of a source archive, a part at a time."""
    with (
        reading(path, "source archive of lcdb", "lcdb"),
        tarfile.open(path, "r:gz") as packed,
    ):
        found = {}
        for member in packed:
            kind = member.name.rpartition("/database-")[2].removesuffix(".csv")
            if kind in _KINDS and (file := packed.extractfile(member)):
                found[kind] = _scores(file)
        return {kind: found[kind] for kind in _KINDS}


def _scores(file: IO[bytes]) -> Scores:
    import pandas as pd

    numbers = {learner: place for place, learner in enumerate(_LEARNERS)}
    parts = []
    for part in pd.read_csv(file, chunksize=_ROWS):
        rows = part[part["inner_seed"] < INNER]
        parts.append(
            (
                rows["openmlid"].to_numpy(np.int32),
                rows["size_train"].to_numpy(np.int32),
                rows["learner"].str.rpartition(".")[2].map(numbers).to_numpy(np.int8),
                (rows["outer_seed"] * INNER + rows["inner_seed"]).to_numpy(np.int8),
                _whole(rows["traintime"].to_numpy(np.float64)),
                _whole(rows[[f"score_{split}" for split in _SPLITS]].to_numpy(np.float64)),
            )
        )
    return Scores(*map(np.concatenate, zip(*parts, strict=True)))


def _whole(values: Values) -> NDArray[np.int32]:
    known = np.isfinite(values)
    numbers = np.rint(np.where(known, values, 0.0) * _DIGITS)
    return np.where(known, numbers, _MISSING).astype(np.int32)


class Cube(NamedTuple):
    """The scores of one kind on one set.

    Attributes:
        sizes: The training sizes, rising.
        seconds: Shape ``(sizes, learners, splits)``.
        scores: Shape ``(train, valid and test, sizes, learners, splits)``; NaN where missing.
    """

    sizes: list[int]
    seconds: Values
    scores: Values


def cube(scores: Scores, data: int) -> Cube | None:
    """The scores of one set; None where there are none.

    Args:
        scores: One of `archive`.
        data: The OpenML set.
    """
    rows = np.flatnonzero(scores.data == data)
    if not len(rows) or (scores.scores[rows] == _MISSING).all():
        return None
    sizes, places = np.unique(scores.size[rows], return_inverse=True)
    shape = (len(sizes), len(_LEARNERS), OUTER * INNER)
    places = np.ravel_multi_index((places, scores.learner[rows], scores.split[rows]), shape)
    found = np.full((4, *shape), np.nan)
    whole = np.column_stack([scores.seconds[rows], scores.scores[rows]])
    values = np.where(whole == _MISSING, np.nan, whole / _DIGITS)
    found.reshape(4, -1)[:, places] = values.T
    return Cube(sizes.tolist(), found[0], found[1:])


def table_of_set(name: str, sheets: dict[str, Scores]) -> Table:
    """The table of one set, of the spreadsheets of an archive."""
    data = int(name.removeprefix("lcdb-"))
    with reading(f"LCDB's results on {data}", "rows of its archive", "lcdb"):
        found = {kind: cube(scores, data) for kind, scores in sheets.items()}
        held = {kind: one for kind, one in found.items() if one is not None}
        first = held["accuracy"]
        valid = first.scores[1]
        learners = np.flatnonzero(np.isfinite(valid).any(axis=(0, 2)))
        counts = np.isfinite(valid[:, learners]).any(axis=2).all(axis=1)
        gives = np.array([float(_LEARNERS[learner] in _UNCERTAIN) for learner in learners])
        table = table_of(
            "lcdb",
            name,
            _space(),
            {"gives_probabilities": gives},
            [_space().at((learner,)) for learner in learners.tolist()],
            data=data,
            size=first.sizes[int(np.flatnonzero(counts)[-1])],
        )
        for kind, one in held.items():
            short, unit, quantity, meaning, conversion = _KINDS[kind]
            for split, scores in zip(_SPLITS, one.scores[:, :, learners], strict=True):
                metric = score_metric(
                    f"{split}_{short}", unit, quantity, meaning, table.source
                )
                _add(table, metric, one.sizes, CONVERSIONS[conversion](scores, 100.0))
        described = "of fitting, on machines that are not stated"
        seconds = Metric(
            "train_seconds",
            "s",
            "record",
            "cost",
            description=described,
            source=table.source,
        )
        _add(table, seconds, first.sizes, first.seconds[:, learners])
    return table


@lru_cache(maxsize=1)
def _space() -> EnumerableChoiceSpace:
    return EnumerableChoiceSpace("lcdb", {"learner": _LEARNERS})


def _add(table: Table, metric: Metric, sizes: list[int], values: Values) -> None:
    """Add a metric of shape ``(sizes, cells, splits)``: means of what is there, and the splits."""
    for size, of_size in zip(sizes, values, strict=True):
        n_seeds = np.isfinite(of_size).sum(axis=1)
        if n_seeds.any():
            sums = np.nansum(of_size, axis=1)
            means = np.where(n_seeds > 0, sums / np.maximum(n_seeds, 1), np.nan)
            seeds = {
                seed: column.copy()
                for seed, column in enumerate(of_size.T)
                if np.isfinite(column).any()
            }
            table.add(metric, size, means, n_seeds.astype(np.int16), seeds)


def by_outer(one: Cube, size: int = -1) -> Values:
    """Scores of the learners that give probabilities, by outer split.

    Args:
        one: The scores of one kind on one set.
        size: The place of the training size; the largest one, unless given.

    Returns:
        Shape ``(train, valid and test, learners, outer)``: means over the inner splits that are
        there, NaN where there is none.
    """
    gives = [learner in _UNCERTAIN for learner in _LEARNERS]
    scores = one.scores[:, size, gives].reshape(3, -1, OUTER, INNER)
    counts = np.isfinite(scores).sum(axis=3)
    return np.where(counts > 0, np.nansum(scores, axis=3) / np.maximum(counts, 1), np.nan)
