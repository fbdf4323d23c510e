"""Boosted trees: XGBoost (Chen & Guestrin, KDD 2016), sixteen boosters averaged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core.arguments import check_number, check_whole
from surrogate_nas.core.metrics import Quantity
from surrogate_nas.surrogates.bagging import Bagging
from surrogate_nas.surrogates.base import Arrays
from surrogate_nas.surrogates.columns import Matrix
from surrogate_nas.surrogates.target import Floats

_SMALLEST = 1e-6


class Boosting(Bagging):
    """The mean of XGBoost regressors on the logarithm of the metric.

    Args:
        parts: Boosters.
        trees: Per booster.
        depth: Of a tree.
        rate: The learning rate.
        subsample: The share of the cells that a tree sees.
        column_sample: The share of the columns that a tree sees.
        threads: Of XGBoost.

    Example:
        >>> import numpy as np
        >>> import surrogate_nas as sn
        >>> bench = sn.load("fashion")
        >>> losses = bench.column("valid_loss")
        >>> model = Boosting("loss", parts=4, trees=100, rate=0.1).fit(
        ...     bench.space[::150], losses[::150]
        ... )
        >>> bool(np.corrcoef(model.predict(bench.space[7::150]).mean, losses[7::150])[0, 1] > 0.8)
        True
    """

    name: ClassVar[str] = "xgboost"
    needs: ClassVar[tuple[str, ...]] = ("xgboost",)

    def __init__(
        self,
        quantity: Quantity = "error",
        *,
        seed: int = 0,
        calibrate: bool = True,
        parts: int = 16,
        encoding: str | None = None,
        extra: Sequence[str] = (),
        trees: int = 500,
        depth: int = 4,
        rate: float = 0.03,
        subsample: float = 0.7,
        column_sample: float = 0.3,
        threads: int = 1,
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
        self.depth = check_whole("The depth", depth, 1)
        self.rate = check_number("The learning rate", rate)
        self.subsample = check_number("The share of cells", subsample, _SMALLEST, 1.0)
        self.column_sample = check_number("The share of columns", column_sample, _SMALLEST, 1.0)
        self.threads = check_whole("The number of threads", threads, 1)

    def _learn_part(self, matrix: Matrix, target: Floats, seed: int) -> Any:
        import xgboost

        parameters = {
            "max_depth": self.depth,
            "eta": self.rate,
            "subsample": self.subsample,
            "colsample_bytree": self.column_sample,
            "seed": seed,
            "nthread": self.threads,
            "base_score": float(target.mean()),
        }
        return xgboost.train(
            parameters, xgboost.DMatrix(matrix, target, nthread=self.threads), self.trees
        )

    def _predict_parts(self, parts: Sequence[Any], matrix: Matrix) -> Floats:
        import xgboost

        data = xgboost.DMatrix(matrix, nthread=self.threads)
        return np.array([part.predict(data) for part in parts], dtype=np.float64)

    def _arrays(self) -> dict[str, NDArray[Any]]:
        boosters = {
            f"{i:02}": np.frombuffer(part.save_raw("ubj"), np.uint8)
            for i, part in enumerate(self._learned)
        }
        return boosters | {"error": np.array(self._error)}

    def _restore(self, arrays: Arrays) -> None:
        import xgboost

        self._error = float(arrays["error"])
        self._learned = []
        for name in sorted(set(arrays) - {"error"}):
            part = xgboost.Booster({"nthread": self.threads})
            part.load_model(bytearray(arrays[name].tobytes()))
            self._learned.append(part)
