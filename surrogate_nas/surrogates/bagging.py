"""Bagging over cross-validation folds, for boosted trees, extremely randomised trees and any
regressor.

A bagged model is the mean of several parts, each trained without one fold. Each part predicts its
left-out fold, so out-of-fold predictions of all training cells need no further training (CV+,
Barber et al., "Predictive inference with the jackknife+", Annals of Statistics 2021). Boosted trees
use XGBoost (Chen & Guestrin, KDD 2016). Extremely randomised trees (Geurts, Ernst & Wehenkel,
Machine Learning 2006) are grown by scikit-learn. The errors of extremely randomised trees differ
from the errors of boosted trees, which helps an ensemble. A forest is stored as plain arrays, so
predictions do not need scikit-learn.

A regressor is a class with scikit-learn's ``fit`` and ``predict``. The inputs of a regressor are
the columns of an encoding of the space, standardised to mean 0 and variance 1 over the training
cells. The standard deviation of a regressor comes from quantiles if the regressor predicts them
(``predict(X, quantiles=…)`` as in TabPFN and quantile forests, ``alphas=…`` as in TabICL). If a
regressor predicts no quantiles, its standard deviation comes from ``predict(X, return_std=True)``
if available, or else from the disagreement of parts that each leave out one fold of the cells.
"""

import inspect
import random
import sys
import warnings
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core import (
    UserError,
    in_a_line,
    need,
    number,
    parse_reference,
    suffix_of,
    text,
    unknown,
    whole,
)
from surrogate_nas.space import Cell
from surrogate_nas.surrogates.base import (
    CHUNK,
    MODELS,
    Arrays,
    Floats,
    Matrix,
    Model,
    Prediction,
    columns,
    default_encoding,
    folds,
    spread_of,
    within,
)

_SMALLEST = 1e-6
LEAST_STD = 1e-3
"""The smallest standard deviation of a prediction, on the scale of the transformed target."""


class Bagging(Model):
    """The mean of several parts, each trained without one fold of the cells.

    Args:
        parts: Number of parts, at least 1. A single part is trained on all cells, and calibration
            then refits the model on folds.
        encoding: The encoding of cells. The default is ``functional`` for errors and losses, and
            ``path_and_graph`` for other quantities.

    Raises:
        UserError: `parts` is less than 1, or an option has the wrong type.
    """

    parts: int = whole(16, 1)
    encoding: str = text(None)

    def _begin(self) -> None:
        self.encoding = self.encoding or default_encoding(self.quantity)

    @abstractmethod
    def _learn_part(self, matrix: Matrix, target: Floats, seed: int) -> Any:
        """Train one part; `matrix` has shape ``(n, d)``, `target` shape ``(n,)``."""

    @abstractmethod
    def _predict_parts(self, parts: Sequence[Any], matrix: Matrix) -> Floats:
        """Return each part's predictions, shape ``(len(parts), n)``, for `matrix` ``(n, d)``."""

    def _matrix(self, cells: Sequence[Cell]) -> Matrix:
        return columns(self._space, cells, self.encoding)

    def _learn(self, cells: Sequence[Cell], target: Floats) -> None:
        matrix = self._matrix(cells)
        n = len(matrix)
        is_bagged = self.parts > 1 and n > 2
        self._blind_to = folds(n, self.parts, self.seed) if is_bagged else []
        unseen = self._blind_to or [np.arange(0)]
        seeds = np.random.SeedSequence(self.seed).generate_state(len(unseen))
        self._learned = []
        for fold, seed in zip(unseen, seeds, strict=True):
            rows = np.setdiff1d(np.arange(n), fold)
            self._learned.append(
                self._learn_part(matrix[rows], target[rows], int(seed % 2**31))
            )
        self._error = 1.0
        if is_bagged:
            errors = self._by_blind_parts(matrix) - target
            self._error = max(float(np.sqrt((errors**2).mean())), LEAST_STD)

    def _by_blind_parts(self, matrix: Matrix) -> Floats:
        predictions = np.empty(len(matrix))
        for part, fold in zip(self._learned, self._blind_to, strict=True):
            predictions[fold] = self._predict_parts([part], matrix[fold])[0]
        return predictions

    def _predict(self, cells: Sequence[Cell]) -> Prediction:
        """Return the parts' mean; the std combines their disagreement and a constant error."""
        chunks = np.array_split(self._matrix(cells), -(-len(cells) // CHUNK))
        predicted = (self._predict_parts(self._learned, rows) for rows in chunks)
        mean, spread = np.hstack([(p.mean(axis=0), p.std(axis=0)) for p in predicted])
        return Prediction(mean, np.sqrt(spread**2 + (0.5 * self._error) ** 2))

    def _held_out(self, cells: Sequence[Cell], target: Floats) -> Prediction:
        if not self._blind_to:
            return super()._held_out(cells, target)
        blind = self._by_blind_parts(self._matrix(cells))
        return Prediction(blind, self._predict(cells).std)


class Boosting(Bagging):
    """The mean of XGBoost regressors on the logarithm of the metric.

    Args:
        parts: Number of boosters.
        trees: Number of trees per booster.
        depth: Maximum depth of a tree.
        rate: The learning rate.
        subsample: Share of the cells that each tree uses.
        column_sample: Share of the columns that each tree uses.

    Example:
        >>> Boosting("loss", parts=4, trees=100).depth
        4
    """

    name: ClassVar[str] = "xgboost"
    needs: ClassVar[tuple[str, ...]] = ("xgboost",)

    trees: int = whole(500, 1)
    depth: int = whole(4, 1)
    rate: float = number(0.03)
    subsample: float = number(0.7, _SMALLEST, 1.0)
    column_sample: float = number(0.3, _SMALLEST, 1.0)

    def _learn_part(self, matrix: Matrix, target: Floats, seed: int) -> Any:
        import xgboost

        parameters = {
            "max_depth": self.depth,
            "eta": self.rate,
            "subsample": self.subsample,
            "colsample_bytree": self.column_sample,
            "seed": seed,
            "nthread": 1,
            "base_score": float(target.mean()),
        }
        data = xgboost.DMatrix(matrix, target, nthread=1)
        return xgboost.train(parameters, data, self.trees)

    def _predict_parts(self, parts: Sequence[Any], matrix: Matrix) -> Floats:
        import xgboost

        data = xgboost.DMatrix(matrix, nthread=1)
        return np.array([part.predict(data) for part in parts], dtype=np.float64)

    def _arrays(self) -> Arrays:
        named = enumerate(self._learned)
        boosters = {
            f"{i:02}": np.frombuffer(b.save_raw("ubj"), np.uint8) for i, b in named
        }
        return boosters | {"error": np.array(self._error)}

    def _restore(self, arrays: Arrays) -> None:
        import xgboost

        self._error = float(arrays["error"])
        self._learned = [
            xgboost.Booster(
                {"nthread": 1}, model_file=bytearray(arrays[name].tobytes())
            )
            for name in sorted(arrays.keys() - {"error"})
        ]


Indices = NDArray[np.int32]


class Forest(NamedTuple):
    """A forest of decision trees, stored as arrays over the nodes of all trees.

    Attributes:
        roots: The root node of each tree.
        children: Left and right child of each node, shape ``(nodes, 2)``. A leaf is its own child.
        feature: The column that each node tests.
        threshold: The threshold of each node. A cell goes to the left child if the value in its
            column is at most the threshold.
        value: The prediction at each node.
        depth: Depth of the deepest tree.
    """

    roots: Indices
    children: Indices
    feature: Indices
    threshold: Floats
    value: Floats
    depth: Indices

    def predict(self, matrix: Matrix) -> Floats:
        """Return the mean prediction of all trees, shape ``(n,)``, for `matrix` of shape ``(n,
        d)``.
        """
        predictions = np.empty(len(matrix))
        for start in range(0, len(matrix), CHUNK):
            rows = matrix[start : start + CHUNK]
            each = np.arange(len(rows))[:, None]
            node = np.broadcast_to(self.roots, (len(rows), len(self.roots)))
            for _ in range(int(self.depth)):
                right = rows[each, self.feature[node]] > self.threshold[node]
                node = self.children[node, right.astype(np.int8)]
            predictions[start : start + CHUNK] = self.value[node].mean(axis=1)
        return predictions


class ExtraTrees(Bagging):
    """The mean of forests of extremely randomised trees.

    Args:
        parts: Number of forests.
        trees: Number of trees per forest.
        column_sample: Share of the columns considered at each split.

    Example:
        >>> ExtraTrees("loss", trees=3).parts
        16
    """

    name: ClassVar[str] = "extra_trees"
    needs: ClassVar[tuple[str, ...]] = ("sklearn",)

    trees: int = whole(15, 1)
    column_sample: float = number(0.5, _SMALLEST, 1.0)

    def _learn_part(self, matrix: Matrix, target: Floats, seed: int) -> Forest:
        from sklearn.ensemble import ExtraTreesRegressor

        grown = ExtraTreesRegressor(
            self.trees, max_features=self.column_sample, random_state=seed
        )
        trees = [tree.tree_ for tree in grown.fit(matrix, target).estimators_]
        starts = np.cumsum([0, *(tree.node_count for tree in trees)])
        children = []
        for tree, start in zip(trees, starts, strict=False):
            both = np.column_stack([tree.children_left, tree.children_right])
            own = np.arange(tree.node_count)[:, None]
            children.append(np.where(both < 0, own, both) + start)
        features = np.concatenate([tree.feature for tree in trees])
        return Forest(
            roots=starts[:-1].astype(np.int32),
            children=np.concatenate(children).astype(np.int32),
            feature=np.maximum(features, 0).astype(np.int32),
            threshold=np.concatenate([tree.threshold for tree in trees]),
            value=np.concatenate([tree.value.ravel() for tree in trees]),
            depth=np.array(max(tree.max_depth for tree in trees), dtype=np.int32),
        )

    def _predict_parts(self, parts: Sequence[Any], matrix: Matrix) -> Floats:
        return np.array([part.predict(matrix) for part in parts])

    def _arrays(self) -> Arrays:
        forests = {
            f"{i:02}/{name}": array
            for i, part in enumerate(self._learned)
            for name, array in part._asdict().items()
        }
        return forests | {"error": np.array(self._error)}

    def _restore(self, arrays: Arrays) -> None:
        self._error = float(arrays["error"])
        numbers = sorted({name.partition("/")[0] for name in arrays} - {"error"})
        self._learned = [Forest(**within(f"{number}/", arrays)) for number in numbers]


PREFIX = "sklearn:"
# One standard deviation below the median of a normal distribution, the median, and one above.
_QUANTILES = (0.1587, 0.5, 0.8413)


class Regressor(Bagging):
    """A surrogate around a class of regressors. `regressor_class` creates the subclass for a class.

    Args:
        seed: The regressor's ``random_state``, if the regressor has this argument.
        parts: Number of regressors to average if the standard deviation comes from bagging.

    Attributes:
        spread: The source of the standard deviation: ``quantiles``, ``return_std`` or ``bagging``.
    """

    spread: ClassVar[str]
    _kind: ClassVar[type]
    _options: ClassVar[dict[str, Any]]

    parts: int = whole(8, 1)

    def _begin(self) -> None:
        super()._begin()
        self.parts = self.parts if self.spread == "bagging" else 1

    def _learn_part(
        self, matrix: Matrix, target: Floats, seed: int
    ) -> tuple[Any, Floats, Floats]:
        seeded = (
            {"random_state": seed} if "random_state" in _parameters(self._kind) else {}
        )
        exact = matrix.astype(np.float64)
        centre, scale = exact.mean(axis=0), spread_of(exact, LEAST_STD)
        with self._called(f"learn from {len(target)} cells", seed):
            regressor = self._kind(**seeded | self._options)
            regressor.fit((exact - centre) / scale, target)
        return regressor, centre, scale

    def _predict_parts(self, parts: Sequence[Any], matrix: Matrix) -> Floats:
        return np.array([self._asked(part, matrix) for part in parts])

    def _predict(self, cells: Sequence[Cell]) -> Prediction:
        if self.spread == "bagging":
            return super()._predict(cells)
        matrix = self._matrix(cells)
        (part,) = self._learned
        if self.spread == "return_std":
            mean, std = self._asked(part, matrix, 2, return_std=True)
        else:
            asked = _parameters(self._kind.predict)  # type: ignore[attr-defined]
            how: dict[str, Any] = (
                {"output_type": "quantiles"} if "output_type" in asked else {}
            )
            how["quantiles" if "quantiles" in asked else "alphas"] = list(_QUANTILES)
            low, mean, high = self._asked(part, matrix, len(_QUANTILES), **how)
            std = (high - low) / 2
        return Prediction(mean, np.maximum(std, LEAST_STD))

    def _asked(self, part: Any, matrix: Matrix, rows: int = 0, **how: Any) -> Floats:
        regressor, centre, scale = part
        n = len(matrix)
        with self._called(f"predict {n} cells", self.seed % 2**32):
            predicted = regressor.predict(np.asarray((matrix - centre) / scale), **how)
            if rows and isinstance(predicted, np.ndarray):  # a list has a row each
                predicted = predicted.T
            answer = np.asarray(predicted, dtype=np.float64).reshape(
                (rows, n) if rows else n
            )
            if not np.isfinite(answer).all():
                raise ValueError("a prediction is not finite")
        return answer

    @contextmanager
    def _called(self, doing: str, seed: int) -> Iterator[None]:
        """Convert errors of the regressor to a `UserError`, and seed the global generators."""
        before = random.getstate(), np.random.get_state()  # noqa: NPY002 - some know no other
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield
        except Exception as error:
            raise UserError(f"{self.name} cannot {doing}: {_reason(error)}.") from error
        finally:
            random.setstate(before[0])
            np.random.set_state(before[1])  # noqa: NPY002


@cache
def regressor_class(text: str) -> type[Regressor]:
    """Import a regressor class and return a surrogate class that uses it.

    Args:
        text: ``MODULE:CLASS`` or ``FILE.py:CLASS``, optionally followed by options of the class in
            parentheses.

    Raises:
        UserError: The module or class does not exist, the class is not a regressor, or an option is
            invalid.

    Example:
        >>> regressor_class(
        ...     "sklearn.neighbors:KNeighborsRegressor(n_neighbors=3)"
        ... ).spread
        'bagging'
    """
    head, options = parse_reference(text, "regressor")
    name = f"{PREFIX}{head}{suffix_of(options)}"
    kind = _class_at(head, name)
    try:
        made = kind(**options)
    except Exception as error:
        raise UserError(f"{name} cannot be made: {_reason(error)}.") from error
    # there where the class is one of its kind
    sklearn = sys.modules.get("sklearn.base")
    known = sklearn.BaseEstimator if sklearn else ()
    if sklearn and isinstance(made, known) and not sklearn.is_regressor(made):
        raise UserError(f"{name} is not a regressor, according to scikit-learn.")
    asked = _parameters(kind.predict)  # type: ignore[attr-defined]
    spread = "return_std" if "return_std" in asked else "bagging"
    if {"quantiles", "alphas"} & asked.keys():
        spread = "quantiles"
    content = {"name": name, "spread": spread, "_kind": kind, "_options": options}
    return type(kind.__name__, (Regressor,), content | {"__doc__": Regressor.__doc__})


def _class_at(head: str, name: str) -> type:
    module, _, attribute = head.rpartition(":")
    if module.endswith(".py"):
        kind = MODELS.inside(Path(module), attribute)
    elif not all(map(str.isidentifier, [*module.split("."), attribute])):
        raise UserError(
            f"A regressor is named as {PREFIX}MODULE:CLASS, such as"
            f" {PREFIX}sklearn.svm:SVR(C=2.0), not {name:.120}."
        )
    else:
        need(f"The model {name}", module.partition(".")[0])
        try:
            things = vars(import_module(module))
        except Exception as error:
            raise UserError(
                f"{module} cannot be imported: {_reason(error)}."
            ) from error
        if attribute not in things:
            able = [each for each, thing in things.items() if hasattr(thing, "predict")]
            raise unknown(f"regressor of {module}", attribute, able)
        kind = things[attribute]
    if isinstance(kind, type) and hasattr(kind, "fit") and hasattr(kind, "predict"):
        return kind
    raise UserError(
        f"{name} is not a regressor: a regressor is a class with fit and predict."
    )


def _parameters(function: Any) -> Mapping[str, inspect.Parameter]:
    """Return the parameters of a callable; a catch-all one if they cannot be determined."""
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):
        return {"options": inspect.Parameter("options", inspect.Parameter.VAR_KEYWORD)}


def _reason(error: Exception) -> str:
    return in_a_line(error).rstrip(".")
