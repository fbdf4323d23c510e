"""LCDB: learning curves over training sizes of 20 scikit-learn classifiers on 248 OpenML data sets.

Mohr, Viering, Loog & van Rijn, "LCDB 1.0: An Extensive Learning Curves Database for Classification
Tasks", ECML PKDD 2022. The LCDB package is fetched as a source archive. Four spreadsheets in the
LCDB package are read; the package's code is neither installed nor imported.

The benchmark ``lcdb-ID`` is the OpenML data set with the number ID. A cell is a learner that did
not fail on the data set. Training-set sizes take the place of epochs; each size is a separate
training. Seed ``5·outer + inner`` is one of 5 × 5 splits: the outer split selects the test set and
the inner split the validation set. Ten data sets have further inner splits, which are omitted. The
area under the ROC curve and F1 exist for two classes only. Eight learners predict no probabilities;
their log loss treats predictions as certain.

Preprocessing was fitted before the data were split, so it used validation and test data. Trainings
that failed or took too long are missing.
"""

import tarfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

import numpy as np

from surrogate_nas.tables import Table, Values
from surrogate_nas.tables.sources import fetching
from surrogate_nas.tables.sources.base import declared, read_once, reading
from surrogate_nas.tables.sources.declaration import (
    declaration,
    means,
    space_of,
    table_of,
)

if TYPE_CHECKING:
    import pandas as pd

NAMES = declared("lcdb").names
OUTER = 5
INNER = 5
_SPLITS = ("train", "valid", "test")
_LEARNERS = declaration("lcdb").options["learner"]
# Whether learners give probabilities.
_UNCERTAIN = [i not in (*range(4), *range(10, 14)) for i in range(len(_LEARNERS))]
# Scores and seconds have four decimals; they are kept as whole numbers of these.
_DIGITS = 1e4
_MISSING = np.iinfo(np.int32).min
_ROWS = 200_000


_KINDS = ("accuracy", "logloss", "auc", "f1")
_NUMBERS = ["traintime", *(f"score_{split}" for split in _SPLITS)]


def read(name: str) -> Table:
    """Convert the rows of one data set in the fetched archive to a table."""
    return table_of_set(name, archive())


def archive() -> "dict[str, pd.DataFrame]":
    """Return the spreadsheets of the fetched archive, by type of score, with all values stored as
    whole numbers.
    """
    return read_archive(fetching.fetched("lcdb")[0])


@read_once
def read_archive(path: Path) -> "dict[str, pd.DataFrame]":
    """Read the spreadsheets of a source archive, in parts to save memory."""
    with (
        reading(path, "source archive of lcdb", "lcdb"),
        tarfile.open(path, "r:gz") as packed,
    ):
        sheets = {}
        for member in packed:
            kind = member.name.rpartition("/database-")[2].removesuffix(".csv")
            if kind in _KINDS and (file := packed.extractfile(member)):
                sheets[kind] = _scores(file)
        return {kind: sheets[kind] for kind in _KINDS}


def _scores(file: IO[bytes]) -> "pd.DataFrame":
    import pandas as pd

    learner_numbers = {learner: number for number, learner in enumerate(_LEARNERS)}
    parts = []
    for part in pd.read_csv(file, chunksize=_ROWS):
        rows = part[part["inner_seed"] < INNER]
        numbers = rows[_NUMBERS].to_numpy(np.float64)
        whole = np.where(np.isfinite(numbers), np.rint(numbers * _DIGITS), _MISSING)
        about = {
            "data": rows["openmlid"],
            "size": rows["size_train"],
            "learner": rows["learner"].str.rpartition(".")[2].map(learner_numbers),
            "split": rows["outer_seed"] * INNER + rows["inner_seed"],
            **dict(zip(_NUMBERS, whole.T, strict=True)),
        }
        parts.append(pd.DataFrame(about).astype(np.int32))
    return pd.concat(parts)


class Cube(NamedTuple):
    """The scores of one type, such as accuracy, on one data set.

    Attributes:
        sizes: The training-set sizes, in increasing order.
        seconds: Training times in seconds, shape ``(sizes, learners, splits)``.
        scores: Scores on training, validation and test data, shape
            ``(3, sizes, learners, splits)``; NaN if missing.
    """

    sizes: list[int]
    seconds: Values
    scores: Values


def cube(scores: "pd.DataFrame", data: int) -> Cube | None:
    """Return the scores of an OpenML data set in a sheet of `archive`; None if there are none."""
    rows = scores[scores["data"] == data]
    whole = rows[_NUMBERS].to_numpy()
    if (whole[:, 1:] == _MISSING).all():
        return None
    sizes, indices = np.unique(rows["size"], return_inverse=True)
    shape = (len(sizes), len(_LEARNERS), OUTER * INNER)
    indices = np.ravel_multi_index((indices, rows["learner"], rows["split"]), shape)
    grid = np.full((4, *shape), np.nan)
    values = np.where(whole == _MISSING, np.nan, whole / _DIGITS)
    grid.reshape(4, -1)[:, indices] = values.T
    return Cube(sizes.tolist(), grid[0], grid[1:])


def table_of_set(name: str, sheets: "dict[str, pd.DataFrame]") -> Table:
    """Create the table of one data set from the sheets of an archive."""
    data = int(name.removeprefix("lcdb-"))
    with reading(f"LCDB's results on {data}", "row of its archive", "lcdb"):
        cubes = {
            kind: result
            for kind, scores in sheets.items()
            if (result := cube(scores, data)) is not None
        }
        first = cubes["accuracy"]
        valid = first.scores[1]
        learners = np.flatnonzero(np.isfinite(valid).any(axis=(0, 2)))
        counts = np.isfinite(valid[:, learners]).any(axis=2).all(axis=1)
        gives = np.array(_UNCERTAIN, dtype=np.float64)[learners]
        records = {
            f"{kind} {split}": scores
            for kind, of_kind in cubes.items()
            for split, scores in zip(
                _SPLITS, of_kind.scores[:, :, learners], strict=True
            )
        }
        records |= {"gives_probabilities": gives, "seconds": first.seconds[:, learners]}
        space = space_of(declaration("lcdb"), {})
        return table_of(
            "lcdb",
            name,
            space,
            records,
            [space.at((learner,)) for learner in learners.tolist()],
            data=data,
            size=first.sizes[int(np.flatnonzero(counts)[-1])],
            **{kind: of_kind.sizes for kind, of_kind in cubes.items()},
        )


def by_outer(scores: Cube, size: int = -1) -> Values:
    """Return each outer split's means over inner splits, for the learners that predict
    probabilities.

    Args:
        scores: The scores of one type on one data set.
        size: The index of the training-set size.

    Returns:
        The means on training, validation and test data, shape ``(3, learners, outer)``, NaN where
        there is no value.
    """
    of_size = scores.scores[:, size, _UNCERTAIN]
    return means(of_size.reshape(3, -1, OUTER, INNER))[0]
