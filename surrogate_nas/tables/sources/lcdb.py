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
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core.metrics import Metric, Quantity, record_metric, score_metric
from surrogate_nas.space import EnumerableChoiceSpace, Sampled
from surrogate_nas.space.network import Network
from surrogate_nas.tables import Table, Values
from surrogate_nas.tables.sources import fetching
from surrogate_nas.tables.sources.base import Verified, declared, reading
from surrogate_nas.tables.sources.frame import (
    as_recorded,
    close,
    equal,
    error_of_share,
    kendall,
    percent,
    read_once,
)

NAMES = declared("lcdb").names
_SOURCE = "lcdb"
_REPOSITORY = "lcdb"
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
_COLUMNS = (
    "openmlid",
    "learner",
    "size_train",
    "size_test",
    "outer_seed",
    "inner_seed",
    "traintime",
    "score_train",
    "score_valid",
    "score_test",
)
_DIGITS = 1e4
"""Scores and seconds are rounded to four decimals; they are kept as whole numbers of these."""
_MISSING = np.iinfo(np.int32).min
_ROWS = 200_000
"""Of a spreadsheet in memory at a time."""
_LARGEST = 200_000_000


class _Kind(NamedTuple):
    """A spreadsheet: the metric's name, unit, quantity and meaning, the largest score, and the
    conversion of scores.
    """

    name: str
    unit: str
    quantity: Quantity
    meaning: str
    most: float
    convert: Callable[[Values], Values]


_KINDS = {
    "accuracy": _Kind("error", "%", "error", "wrong", 1.0, error_of_share),
    "logloss": _Kind("loss", "nats", "loss", "log loss, at most 34.5", 40.0, as_recorded),
    "auc": _Kind("auc", "%", "quality", "area under the ROC curve", 1.0, percent),
    "f1": _Kind("f1", "%", "quality", "F1", 1.0, percent),
}


class Scores(NamedTuple):
    """A spreadsheet, a row a training: what it is of, its seconds, and its three scores.

    Attributes:
        data, size: The OpenML set, and the training size.
        learner, split: By their numbers; an int8 each.
        seconds, scores: As whole numbers of the fourth decimal; scores of shape ``(n, 3)``.
        left_out: How many rows are of further inner splits.
    """

    data: NDArray[np.int32]
    size: NDArray[np.int32]
    learner: NDArray[np.int8]
    split: NDArray[np.int8]
    seconds: NDArray[np.int32]
    scores: NDArray[np.int32]
    left_out: int


def read(name: str) -> Table:
    """Read one set's rows of the fetched archive into a table."""
    return table_of(name, archive())


def archive() -> dict[str, Scores]:
    """The spreadsheets of the fetched archive by their kind, once a process: 146 MB in memory."""
    (path,) = fetching.files(_SOURCE)
    return _archive(fetching.fetched(path, _SOURCE))


def read_archive(path: Path) -> dict[str, Scores]:
    """Read the spreadsheets of a source archive, a part at a time."""
    found = {}
    with reading(path, "source archive of lcdb", _SOURCE), tarfile.open(path, "r:gz") as packed:
        for member in packed:
            kind = member.name.rpartition("/database-")[2].removesuffix(".csv")
            file = packed.extractfile(member) if kind in _KINDS else None
            if file is not None:
                if member.size > _LARGEST:
                    raise ValueError(f"{member.name} has more than {_LARGEST / 1e6:.0f} MB")
                found[kind] = _scores(file, _KINDS[kind])
        if found.keys() != _KINDS.keys():
            raise ValueError(f"it has no {', '.join(sorted(_KINDS.keys() - found.keys()))}")
    return found


_archive = read_once(read_archive)


def _scores(file: IO[bytes], kind: _Kind) -> Scores:
    import pandas as pd

    numbers = {learner: place for place, learner in enumerate(_LEARNERS)}
    parts = []
    n_rows = 0
    for part in pd.read_csv(file, chunksize=_ROWS):
        if tuple(part.columns) != _COLUMNS:
            raise ValueError(f"its columns are not {', '.join(_COLUMNS)}")
        n_rows += len(part)
        rows = part[part["inner_seed"] < INNER]
        parts.append(
            Scores(
                rows["openmlid"].to_numpy(np.int32),
                rows["size_train"].to_numpy(np.int32),
                rows["learner"].str.rpartition(".")[2].map(numbers).fillna(-1).to_numpy(np.int8),
                (rows["outer_seed"] * INNER + rows["inner_seed"]).to_numpy(np.int8),
                _whole(rows["traintime"].to_numpy(np.float64), np.inf),
                _whole(rows[list(_COLUMNS[-3:])].to_numpy(np.float64), kind.most),
                0,
            )
        )
    columns: list[Any] = [np.concatenate(column) for column in list(zip(*parts, strict=True))[:-1]]
    scores = Scores._make([*columns, n_rows - len(columns[0])])
    if scores.learner.min() < 0 or scores.split.min() < 0 or scores.split.max() >= OUTER * INNER:
        raise ValueError("a row is of no learner or split of the benchmark")
    return scores


def _whole(values: Values, most: float) -> NDArray[np.int32]:
    """Numbers in ``[0, most]`` as whole ones of the fourth decimal."""
    known = np.isfinite(values)
    if np.isinf(values).any() or (values[known] < 0).any() or (values[known] > most).any():
        raise ValueError("a score or time is no number in its range")
    return np.where(known, np.rint(np.where(known, values, 0.0) * _DIGITS), _MISSING).astype(
        np.int32
    )


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
    if len(np.unique(places)) < len(places):
        raise ValueError(f"a training on {data} is there twice")
    found.reshape(4, -1)[:, places] = values.T
    return Cube(sizes.tolist(), found[0], found[1:])


def table_of(name: str, sheets: dict[str, Scores]) -> Table:
    """The table of one set, of the spreadsheets of an archive."""
    data = int(name.removeprefix("lcdb-"))
    with reading(f"LCDB's results on {data}", "rows of its archive", _SOURCE):
        found = {kind: cube(scores, data) for kind, scores in sheets.items()}
        held = {kind: one for kind, one in found.items() if one is not None}
        valid = held["accuracy"].scores[1]
        learners = np.flatnonzero(np.isfinite(valid).any(axis=(0, 2)))
        counts = np.isfinite(valid[:, learners]).any(axis=2).all(axis=1)
        size = held["accuracy"].sizes[int(np.flatnonzero(counts)[-1])]
        space = Sampled(_space(), learners[:, None].astype(np.int8))
        table = Table(
            name=name,
            space=space.definition,
            title=f"LCDB: {len(space)} scikit-learn classifiers on OpenML's set {data}, training"
            f" sizes as epochs, {OUTER} × {INNER} splits",
            source=f"{fetching.origin(_SOURCE, _REPOSITORY)} source archive",
            objective=f"valid_error[{size}]",
            network=Network(),
            banner=(
                "Preprocessing was fitted before the data were split, so validation and test"
                " results leak, as the authors say. Cells are learners with default settings;"
                " epochs are training sizes, seeds are splits. A learner that failed or took too"
                " long on some splits has the mean of the others."
            ),
        )
        for kind, one in held.items():
            name, unit, quantity, meaning, _, convert = _KINDS[kind]
            for split, scores in zip(_SPLITS, one.scores[:, :, learners], strict=True):
                metric = score_metric(f"{split}_{name}", unit, quantity, meaning, table.source)
                _add(table, metric, one.sizes, convert(scores))
        seconds = record_metric(
            "train_seconds", "s", "of fitting, on machines that are not stated", table.source
        )
        _add(table, seconds, held["accuracy"].sizes, held["accuracy"].seconds[:, learners])
        probabilities = record_metric(
            "gives_probabilities",
            "",
            "1 where the learner gives probabilities, without which log loss says less",
            table.source,
            quantity="structure",
        )
        gives = [float(_LEARNERS[learner] in _UNCERTAIN) for learner in learners]
        table.add(probabilities, None, np.array(gives))
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


_ROWS_OF = {"accuracy": 1_953_371, "logloss": 1_953_371, "auc": 1_151_985, "f1": 1_151_985}
_TAUS = {
    ("accuracy", "accuracy"): 0.828,
    ("logloss", "accuracy"): 0.539,
    ("accuracy", "auc"): 0.712,
    ("auc", "auc"): 0.873,
    ("f1", "f1"): 0.827,
    ("accuracy", "logloss"): 0.523,
    ("logloss", "logloss"): 0.909,
}
"""Mean τ of a signal with a goal on sets of two classes (see `_taus`)."""
_SETS = 117
_FEWEST = 8


def verify() -> Iterator[Verified]:
    """Check the archive against numbers computed from its spreadsheets independently."""
    sheets = archive()
    for kind, n_rows in _ROWS_OF.items():
        found = len(sheets[kind].data) + sheets[kind].left_out
        yield equal(f"rows of {kind}", found, n_rows)
    yield equal("data sets", len(np.unique(sheets["accuracy"].data)), len(NAMES))
    by_pair = _taus(sheets)
    yield equal("sets of two classes", len(next(iter(by_pair.values()))), _SETS)
    for (signal, goal), published in _TAUS.items():
        tau = float(np.nanmean(by_pair[signal, goal]))
        yield close(f"τ({signal}, {goal}), other test sets", tau, published, 0.001)


def _taus(sheets: dict[str, Scores]) -> dict[tuple[str, str], list[float]]:
    """Of every set of two classes, by signal and goal, Kendall's τ after the largest size: what the
    validation splits of one outer split say of the mean test score of the other four, over learners
    that give probabilities and came to an end in every outer split, eight or more.
    """
    taus: dict[tuple[str, str], list[float]] = {pair: [] for pair in _TAUS}
    for data in np.unique(sheets["auc"].data).tolist():
        cubes = {kind: cube(scores, data) for kind, scores in sheets.items()}
        means = {kind: by_outer(one)[1:] for kind, one in cubes.items() if one is not None}
        if len(means) < len(cubes):
            continue
        whole = np.all([np.isfinite(one).all(axis=(0, 2)) for one in means.values()], axis=0)
        if whole.sum() < _FEWEST:
            continue
        for (signal, goal), found in taus.items():
            of_set = []
            for outer in range(OUTER):
                one = means[signal][0][whole, outer]
                others = np.delete(means[goal][1][whole], outer, axis=1).mean(axis=1)
                of_set.append(kendall(one, others))
            sign = -1 if (signal == "logloss") != (goal == "logloss") else 1
            found.append(sign * float(np.nanmean(of_set)))
    return taus


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
