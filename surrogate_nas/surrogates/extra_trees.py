"""Extremely randomised trees (Geurts, Ernst & Wehenkel, Machine Learning 2006), grown by
scikit-learn.

Their mistakes are unlike those of boosted trees, which is what an ensemble wants. A grown forest is
stored as plain arrays, so a stored one predicts without scikit-learn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core.arguments import check_number, check_whole
from surrogate_nas.core.metrics import Quantity
from surrogate_nas.surrogates.bagging import Bagging
from surrogate_nas.surrogates.base import Arrays
from surrogate_nas.surrogates.columns import Matrix
from surrogate_nas.surrogates.target import Floats

_CHUNK = 4096
_SMALLEST = 1e-6


class Forest(NamedTuple):
    """Trees as arrays over the nodes of all of them.

    Attributes:
        roots: The first node of each tree.
        children: Left and right child of each node, shape ``(nodes, 2)``; a leaf is its own child.
        feature: The column that a node asks about.
        threshold: A cell goes left where its column is at most this.
        value: What a node predicts.
        depth: Of the deepest tree.
    """

    roots: NDArray[np.int32]
    children: NDArray[np.int32]
    feature: NDArray[np.int32]
    threshold: Floats
    value: Floats
    depth: NDArray[np.int32]

    def predict(self, matrix: Matrix) -> Floats:
        """The mean over the trees, shape ``(n,)``; `matrix` of shape ``(n, d)``."""
        predictions = np.empty(len(matrix))
        for start in range(0, len(matrix), _CHUNK):
            rows = matrix[start : start + _CHUNK]
            each = np.arange(len(rows))[:, None]
            node = np.broadcast_to(self.roots, (len(rows), len(self.roots)))
            for _ in range(int(self.depth)):
                right = rows[each, self.feature[node]] > self.threshold[node]
                node = self.children[node, right.astype(np.int8)]
            predictions[start : start + _CHUNK] = self.value[node].mean(axis=1)
        return predictions


class ExtraTrees(Bagging):
    """The mean of extremely randomised trees.

    Args:
        parts: Forests.
        trees: Per forest.
        column_sample: The share of the columns that a split chooses from.

    Example:
        >>> import surrogate_nas as sn
        >>> bench = sn.load("fashion")
        >>> model = ExtraTrees("loss").fit(bench.space[::150], bench.column("valid_loss")[::150])
        >>> bool(
        ...     np.corrcoef(
        ...         model.predict(bench.space[7::150]).mean, bench.column("valid_loss")[7::150]
        ...     )[0, 1]
        ...     > 0.8
        ... )
        True
    """

    name: ClassVar[str] = "extra_trees"
    needs: ClassVar[tuple[str, ...]] = ("sklearn",)

    def __init__(
        self,
        quantity: Quantity = "error",
        *,
        seed: int = 0,
        calibrate: bool = True,
        parts: int = 16,
        encoding: str | None = None,
        extra: Sequence[str] = (),
        trees: int = 15,
        column_sample: float = 0.5,
    ) -> None:
        super().__init__(
            quantity,
            seed=seed,
            calibrate=calibrate,
            parts=parts,
            encoding=encoding,
            extra=extra,
        )
        self.trees = check_whole("The number of trees", trees, 1)
        self.column_sample = check_number("The share of columns", column_sample, _SMALLEST, 1.0)

    def _learn_part(self, matrix: Matrix, target: Floats, seed: int) -> Forest:
        from sklearn.ensemble import ExtraTreesRegressor

        grown = ExtraTreesRegressor(self.trees, max_features=self.column_sample, random_state=seed)
        return _flattened([tree.tree_ for tree in grown.fit(matrix, target).estimators_])

    def _predict_parts(self, parts: Sequence[Any], matrix: Matrix) -> Floats:
        return np.array([part.predict(matrix) for part in parts])

    def _arrays(self) -> dict[str, NDArray[Any]]:
        forests = {
            f"{i:02}/{name}": np.asarray(array)
            for i, part in enumerate(self._learned)
            for name, array in part._asdict().items()
        }
        return forests | {"error": np.array(self._error)}

    def _restore(self, arrays: Arrays) -> None:
        self._error = float(arrays["error"])
        numbers = sorted({name[:2] for name in arrays if "/" in name})
        self._learned = [
            Forest(*(arrays[f"{i}/{name}"] for name in Forest._fields)) for i in numbers
        ]


def _flattened(trees: Sequence[Any]) -> Forest:
    starts = np.cumsum([0, *(tree.node_count for tree in trees)])
    children = []
    features = []
    for tree, start in zip(trees, starts, strict=False):
        both = np.column_stack([tree.children_left, tree.children_right])
        own = np.arange(tree.node_count)[:, None]
        children.append(np.where(both < 0, own, both) + start)
        features.append(np.maximum(tree.feature, 0))
    return Forest(
        roots=starts[:-1].astype(np.int32),
        children=np.concatenate(children).astype(np.int32),
        feature=np.concatenate(features).astype(np.int32),
        threshold=np.concatenate([tree.threshold for tree in trees]),
        value=np.concatenate([tree.value.reshape(-1) for tree in trees]),
        depth=np.array(max(tree.max_depth for tree in trees), dtype=np.int32),
    )
