"""Anybody's regressor as a surrogate: a class with scikit-learn's ``fit`` and ``predict``.

It sees the columns of an encoding of the space, each brought to mean 0 and variance 1 over the
training cells. Its spread comes from what it offers, in this order: quantiles (``predict(X,
quantiles=…)`` as of TabPFN and quantile forests, ``alphas=…`` as of TabICL), the standard deviation
of ``predict(X, return_std=True)``, or else the disagreement of parts that each leave a fold of the
cells out (`Bagging`).
"""

from __future__ import annotations

import inspect
import random
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core.errors import UserError, in_a_line, unknown
from surrogate_nas.core.extras import need
from surrogate_nas.core.metrics import Quantity
from surrogate_nas.core.reference import parse_reference, suffix_of
from surrogate_nas.space import Cell
from surrogate_nas.surrogates.bagging import LEAST_STD, Bagging
from surrogate_nas.surrogates.base import MODELS, Arrays, Prediction
from surrogate_nas.surrogates.columns import Matrix
from surrogate_nas.surrogates.target import Floats

PREFIX = "sklearn:"
_SHAPE = f"{PREFIX}MODULE:CLASS, such as {PREFIX}sklearn.svm:SVR(C=2.0)"
_QUANTILES = (0.1587, 0.5, 0.8413)
"""One standard deviation below the median of a normal distribution, the median, and one above."""

Spread = Literal["quantiles", "return_std", "bagging"]


class _Part(NamedTuple):
    regressor: Any
    centre: Floats
    scale: Floats

    def scaled(self, matrix: Matrix) -> Floats:
        return np.asarray((matrix - self.centre) / self.scale)


class Regressor(Bagging):
    """A regressor of a class that was named; `regressor_class` makes the subclass for it.

    What it has learned is stored as the rows that it was fitted on, and fitted on again.

    Args:
        seed: Becomes the regressor's ``random_state``, where it has one.
        parts: How many regressors are averaged where the spread comes from bagging.

    Attributes:
        spread: Where its standard deviation comes from: ``quantiles``, ``return_std`` or
            ``bagging``.

    Example:
        >>> import surrogate_nas as sn
        >>> from surrogate_nas.surrogates import make_model
        >>> bench = sn.load("fashion")
        >>> model = make_model("sklearn:sklearn.linear_model:BayesianRidge", "loss")
        >>> model = model.fit(bench.space[::150], bench.column("valid_loss")[::150])
        >>> found = model.predict(bench.space[7::150])
        >>> (
        ...     model.spread,
        ...     bool(np.corrcoef(found.mean, bench.column("valid_loss")[7::150])[0, 1] > 0.8),
        ... )
        ('return_std', True)
    """

    spread: ClassVar[Spread]
    _kind: ClassVar[type]
    _options: ClassVar[Mapping[str, Any]]

    def __init__(
        self,
        quantity: Quantity = "error",
        *,
        seed: int = 0,
        calibrate: bool = True,
        parts: int = 8,
        encoding: str | None = None,
        extra: Sequence[str] = (),
    ) -> None:
        super().__init__(
            quantity,
            seed=seed,
            calibrate=calibrate,
            parts=parts if self.spread == "bagging" else 1,
            encoding=encoding,
            extra=extra,
        )

    def _learn(self, cells: Sequence[Cell], target: Floats) -> None:
        self._rows = self._matrix(cells)
        self._targets = target
        self._learn_rows(self._rows, target)

    def _learn_part(self, matrix: Matrix, target: Floats, seed: int) -> _Part:
        centre = matrix.mean(axis=0, dtype=np.float64)
        scale = matrix.std(axis=0, dtype=np.float64)
        scale[scale < LEAST_STD] = 1.0
        options = dict(self._options)
        if "random_state" in _parameters(self._kind):
            options.setdefault("random_state", seed)
        with self._called(f"learn from {len(target)} cells", seed):
            part = _Part(self._kind(**options), centre, scale)
            part.regressor.fit(part.scaled(matrix), target)
        return part

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
            levels = {("quantiles" if "quantiles" in asked else "alphas"): list(_QUANTILES)}
            if "output_type" in asked:
                levels["output_type"] = "quantiles"  # type: ignore[assignment]
            low, mean, high = self._asked(part, matrix, len(_QUANTILES), **levels)
            std = (high - low) / 2
        return Prediction(mean, np.maximum(std, LEAST_STD))

    def _asked(self, part: _Part, matrix: Matrix, rows: int = 0, **how: Any) -> Floats:
        n = len(matrix)
        with self._called(f"predict {n} cells", self.seed % 2**32):
            found = part.regressor.predict(part.scaled(matrix), **how)
            is_array = isinstance(found, np.ndarray)
            answer = np.asarray(found, dtype=np.float64)
            if rows and is_array:  # a column a quantile; a list has a row each
                answer = answer.T
            answer = answer.reshape((rows, n) if rows else (n,))
            if not np.isfinite(answer).all():
                raise ValueError("a prediction is not finite")
        return answer

    @contextmanager
    def _called(self, doing: str, seed: int) -> Iterator[None]:
        """Make an error of the regressor one line, and what it draws from global generators the
        same each time; its warnings would come with every part.
        """
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

    def _arrays(self) -> dict[str, NDArray[Any]]:
        return {"rows": self._rows, "targets": self._targets}

    def _restore(self, arrays: Arrays) -> None:
        self._rows, self._targets = arrays["rows"], arrays["targets"]
        self._learn_rows(self._rows, self._targets)


@cache
def regressor_class(text: str) -> type[Regressor]:
    """Make a surrogate of a regressor's class; its module is imported.

    Args:
        text: ``MODULE:CLASS`` or ``FILE.py:CLASS``, with options of the class in parentheses or
            without.

    Raises:
        UserError: There is no such module or class, it is no regressor, or an option does not fit.

    Example:
        >>> regressor_class("sklearn.neighbors:KNeighborsRegressor(n_neighbors=3)").spread
        'bagging'
    """
    head, options = parse_reference(text, "regressor")
    name = f"{PREFIX}{head}{suffix_of(options)}"
    kind = _class_at(head, name)
    known = _parameters(kind)
    if not any(one.kind is one.VAR_KEYWORD for one in known.values()):
        for option in options.keys() - known.keys():
            raise unknown(f"option of {kind.__name__}", option, known)
    try:
        made = kind(**options)
    except Exception as error:
        raise UserError(f"{name} cannot be made: {_reason(error)}.") from error
    estimators = sys.modules.get("sklearn.base")  # there where the class is one of its kind
    if estimators is not None and isinstance(made, estimators.BaseEstimator):
        if not estimators.is_regressor(made):
            raise UserError(f"{name} is no regressor, as its class itself says.")
    spread: Spread = "bagging"
    asked = _parameters(kind.predict)  # type: ignore[attr-defined]
    if {"quantiles", "alphas"} & asked.keys():
        spread = "quantiles"
    elif "return_std" in asked:
        spread = "return_std"
    content = {"name": name, "spread": spread, "_kind": kind, "_options": options}
    return type(kind.__name__, (Regressor,), content | {"__doc__": Regressor.__doc__})


def _class_at(head: str, name: str) -> type:
    module, colon, attribute = head.rpartition(":")
    if not colon or not attribute.isidentifier():
        raise UserError(f"A regressor is named as {_SHAPE}, not {name:.120}.")
    if module.endswith(".py"):
        found = MODELS.inside(Path(module), attribute)
    else:
        found = _imported(module, attribute, name)
    able = [callable(getattr(found, method, None)) for method in ("fit", "predict")]
    if not isinstance(found, type) or not all(able):
        raise UserError(f"{name} is no regressor: it is no class with fit and predict.")
    return found


def _imported(module: str, attribute: str, name: str) -> object:
    if not all(part.isidentifier() for part in module.split(".")):
        raise UserError(f"A regressor is named as {_SHAPE}, not {name:.120}.")
    need(f"The model {name}", module.partition(".")[0])
    try:
        there = vars(import_module(module))
    except Exception as error:
        raise UserError(f"{module} cannot be imported: {_reason(error)}.") from error
    if attribute not in there:
        able = [one for one, thing in there.items() if hasattr(thing, "predict")]
        raise unknown(f"regressor of {module}", attribute, able)
    return there[attribute]


def _parameters(function: Any) -> Mapping[str, inspect.Parameter]:
    """The parameters of a class or function; one that takes any where they are not known."""
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):
        return {"options": inspect.Parameter("options", inspect.Parameter.VAR_KEYWORD)}


def _reason(error: Exception) -> str:
    return in_a_line(error).rstrip(".")
