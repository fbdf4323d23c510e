"""The interface of every surrogate: fit it to evaluated cells, and predict a mean and a standard
deviation for any cell.

This module contains the parts that all models share: checks of arguments, the transform of the
target (which depends on the metric's quantity), and the calibration of the uncertainty. Calibration
uses cross-conformal prediction (Vovk, "Cross-conformal predictors", 2015) on errors divided by the
model's own standard deviation (Lei et al., JASA 2018). Cells that are predicted to be among the
best are calibrated separately from all other cells, because a common factor covers too few or too
many of the good cells. This method is Mondrian conformal prediction (Vovk et al., "Algorithmic
Learning in a Random World", 2005, section 4.5). Subclasses of `Model` implement learning and
prediction.
"""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple, Self, TypeGuard, get_args

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core import (
    LOSSES,
    Knobbed,
    Registry,
    UserError,
    check_argument,
    check_whole,
    one_thread,
    parse_reference,
    subclass_of,
    unknown,
)
from surrogate_nas.core import Quantity as Quantity
from surrogate_nas.space import (
    Cell,
    Enumerable,
    Space,
    cells_given,
    space_named,
    space_of,
)

Floats = NDArray[np.float64]
"""Numbers of double precision, of any shape."""
Arrays = dict[str, NDArray[Any]]
"""Arrays by name, as they are written to a file; bytes are stored as ``uint8``."""
Matrix = NDArray[np.float32]

LEVEL = 0.90
Z90 = 1.6449
"""The half width of the interval with level `LEVEL`, in standard deviations."""
CHUNK = 4096
"""The number of cells that a model predicts at once if each needs much memory."""
FEWEST_CELLS = 2
_MOST_SURVEYED = 100_000  # the cells of a space whose columns stay in memory
_FOLDS = 5
# The share of the training cells, the best by held-out prediction, that has a calibration of its
# own.
_BEST = 0.3
# With fewer cells than that among the best one factor serves all: the 90 % of a few errors are a
# guess.
_FEWEST_TO_CALIBRATE = 20
_NEVER_NEGATIVE = ("error", "cost")
LARGER_IS_BETTER = ("quality", "proxy")
"""The quantities of which larger values are better; of the others, smaller values are better."""


# Errors, losses and costs are positive and skewed, so their logarithm is learned; counts, and
# qualities, which may be negative, stay as they are. A few values near zero (a device that drops
# dead graphs reads microseconds) would fill the whole logarithmic scale, so a share of the median
# is added first where there are any. All of it keeps the order.


_NEAR_ZERO = 0.02
_SHIFT = 0.05
# Exponents beyond the seen values are cut there; exp(30) is far from overflowing.
_LARGEST = 30.0

# A value below the scale (a negative latency that a linear model predicts) counts as so many
# deviations low.
_LOWEST = 10.0


class Target(NamedTuple):
    """A transform of the target with its constants.

    The transform is ``(log(value + shift) - centre) / scale``, or ``(value - centre) / scale``.

    Attributes:
        logarithm: 1 if the transform contains the logarithm, or else 0.
        shift: The number added before the logarithm.
        centre: The mean of the training values, after the logarithm if there is one.
        scale: The standard deviation of the training values, after the logarithm if there is one.
    """

    logarithm: float
    shift: float
    centre: float
    scale: float

    def forward(self, values: NDArray[Any]) -> Floats:
        """Transform values of any shape from the metric's unit to the learned scale."""
        if self.logarithm:
            lifted = np.asarray(values, dtype=np.float64) + self.shift
            values = np.log(
                np.maximum(lifted, np.exp(self.centre - _LOWEST * self.scale))
            )
        return np.asarray((values - self.centre) / self.scale, dtype=np.float64)

    def backward(self, mean: NDArray[Any], std: NDArray[Any]) -> tuple[Floats, Floats]:
        """Transform means and standard deviations, shape ``(n,)``, back to the metric's unit.

        Standard deviations are transformed by the delta method.
        """
        raw = np.asarray(mean, dtype=np.float64) * self.scale + self.centre
        spread = np.asarray(std, dtype=np.float64) * self.scale
        if not self.logarithm:
            return raw, spread
        lifted = np.exp(np.clip(raw, -_LARGEST, _LARGEST))
        return lifted - self.shift, lifted * spread


def fit_target(values: Floats, quantity: Quantity) -> Target:
    """Return the target transform for the training values of a metric."""
    if quantity in ("quality", "structure", "proxy", "undeclared"):
        return Target(0.0, 0.0, float(values.mean()), float(values.std()))
    lowest = float(values.min())
    middle = float(np.median(values))
    shift = 0.0
    if lowest <= _NEAR_ZERO * middle:
        shift = max(0.0, -lowest) + _SHIFT * (
            (middle - min(lowest, 0.0)) or float(np.ptp(values))
        )
    logs = np.log(values + shift)
    return Target(1.0, shift, float(logs.mean()), float(logs.std()) or 1.0)


class Scaling(NamedTuple):
    """A common scale for columns, from their ranges over many points.

    Attributes:
        varies: Whether each column varies, shape ``(d,)``.
        centre: The means of the varying columns, shape ``(varying,)``.
        span: The ranges of the varying columns, shape ``(varying,)``.
        distance: The mean squared distance between two random points after centring and scaling.
    """

    varies: NDArray[np.bool_]
    centre: Floats
    span: Floats
    distance: float

    @classmethod
    def of(cls, block: NDArray[Any]) -> Self:
        """Compute the constants of the scaling from points, shape ``(n, d)``."""
        span = np.ptp(block, axis=0)
        varying = block[:, span > 0].astype(np.float64, copy=False)
        raw = cls(span > 0, varying.mean(axis=0), np.ptp(varying, axis=0), 1.0)
        return raw._replace(
            distance=float(2 * raw.unit(block).var(axis=0).sum()) or 1.0
        )

    def unit(self, block: NDArray[Any]) -> Floats:
        """Scale points so that the root mean square distance between two random points is 1.

        Args:
            block: Points, shape ``(n, d)``.

        Returns:
            The varying columns, centred and divided by their ranges and by the distance between
            random points, shape ``(n, varying)``.
        """
        ranged = (
            block[:, self.varies].astype(np.float64, copy=False) - self.centre
        ) / self.span
        return np.asarray(ranged / np.sqrt(self.distance))


def spread_of(matrix: NDArray[Any], least: float) -> NDArray[Any]:
    """Return the standard deviation of every column, or 1 where it is below `least`."""
    spread = np.asarray(matrix.std(axis=0))
    spread[spread < least] = 1.0
    return spread


def default_encoding(quantity: Quantity) -> str:
    """Return the encoding that trees and neural networks use by default.

    Operations on no path to the output affect costs but not accuracy. Therefore errors and losses
    use the encoding ``functional``.
    """
    return "functional" if quantity in LOSSES else "path_and_graph"


def columns(space: Space, cells: Sequence[Cell], encoding: str) -> Matrix:
    """Encode cells as a matrix of shape ``(n, d)``."""
    if is_surveyed(space):
        index = (
            slice(None) if isinstance(cells, Enumerable) else [c.index for c in cells]
        )
        return surveyed(space, encoding)[index]
    return _encoded(space, cells, encoding)


def is_surveyed(space: Space) -> bool:
    """Return whether the reference sample of a space is the whole space and is small enough to
    cache.
    """
    return (
        isinstance(space, Enumerable)
        and space.reference_sample is space
        and len(space) <= _MOST_SURVEYED
    )


@lru_cache(maxsize=16)
def surveyed(space: Space, encoding: str) -> Matrix:
    """Encode the cells of `Space.reference_sample`, in their order.

    The result is cached per process.
    """
    return _encoded(space, space.reference_sample, encoding)


@lru_cache(maxsize=16)
def scaling(space: Space, encoding: str) -> Scaling:
    """Return the scaling of an encoding's columns, based on the reference sample of the space."""
    return Scaling.of(surveyed(space, encoding))


def _encoded(space: Space, cells: Sequence[Cell], encoding: str) -> Matrix:
    known = encoding if encoding in space.encodings else "one_hot"
    return np.ascontiguousarray(space.encode(cells, known), dtype=np.float32)


class Prediction(NamedTuple):
    """A surrogate's predictions for ``n`` cells, in the metric's own unit.

    Attributes:
        mean: Predicted means, shape ``(n,)``.
        std: Standard deviations, shape ``(n,)``. Standard deviations are calibrated so that ``mean
            ± 1.645 std`` contains the values of 90 % of new cells. Prediction errors have heavier
            tails than a normal distribution, so other levels are approximate.

    Example:
        >>> Prediction(np.array([8.0]), np.array([0.1])).mean
        array([8.])
    """

    mean: Floats
    std: Floats


class Model(Knobbed, ABC):
    """A model that learns one metric of cells.

    Each subclass is in its own file. A subclass implements `_learn` and `_predict` for the
    transformed target, which has about zero mean and unit variance. `_learn` and `_predict` receive
    cells, not matrices, because the model chooses among the space's encodings. A model that can
    compute out-of-fold predictions of its own training cells also implements `_held_out`. All other
    models are refitted on folds for the calibration.

    Args:
        quantity: The metric's quantity (see `surrogate_nas.core.metrics.Metric`), which determines
            the transform of the target.
        seed: The root seed of the model's randomness.
        calibrate: Whether to calibrate the standard deviation, which is not necessary if only the
            mean is needed.

    Raises:
        UserError: The quantity is unknown, or the seed is not an integer.

    Attributes:
        name: The key of the model in `MODELS`.
        needs: The optional libraries that the model imports.
        learned: The names of the learned arrays. Each learned array is stored in an attribute with
            its name and a leading underscore. A model with other learned state implements `_arrays`
            and `_restore`.
        quantity: The quantity to learn: ``error`` (%), ``loss``, ``quality``, ``cost``,
            ``structure`` or ``proxy``.
        held_out: Out-of-fold predictions of the training cells, in the order of the cells, with
            repeated cells once. `fit` sets this attribute if `calibrate` is true. The attribute is
            not stored in files. The standard deviation of these predictions is calibrated by one
            factor for all cells, as in ``predict(…, by_region=False)``.

    Example:
        >>> import surrogate_nas as sn
        >>> from surrogate_nas.surrogates.ridge import Ridge
        >>> cells = sn.nb201()[::75]
        >>> model = Ridge().fit(cells, [1.0 + sum(c.choices) for c in cells])
        >>> bool(model.predict(sn.nb201()[1:3]).std.min() > 0)
        True
    """

    name: ClassVar[str]
    needs: ClassVar[tuple[str, ...]] = ()
    learned: ClassVar[tuple[str, ...]] = ()
    _space: Space
    _target: Target
    _widening: float
    _regions: Floats | None
    held_out: Prediction

    def __init__(
        self,
        quantity: Quantity = "error",
        *,
        seed: int = 0,
        calibrate: bool = True,
        **given: Any,
    ) -> None:
        if quantity not in get_args(Quantity):
            raise UserError(
                f"A quantity is one of {', '.join(get_args(Quantity))}, not {quantity!r:.80}."
            )
        self.quantity: Quantity = quantity
        self.seed = check_whole("A seed", seed)
        self.calibrate = check_argument("calibrate", calibrate, bool)
        self.take(given)
        self._begin()

    def _begin(self) -> None:
        """Derive values from the settings; called when the settings have become attributes."""

    def settings(self) -> dict[str, Any]:
        """Return the arguments that construct the same model, as JSON values."""
        own = {
            name: getattr(self, name)
            for name in inspect.signature(type(self)).parameters
            if hasattr(self, name)
        }
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in own.items()
        }

    @classmethod
    def reads(cls, space: Space) -> bool:
        """Return whether this model supports a space. By default, a model supports every space."""
        return True

    def prepare(self, space: Space) -> None:
        """Compute and cache everything that depends only on the space.

        This happens before the first fit.
        """

    def fit(
        self,
        cells: Sequence[Cell],
        values: Sequence[float] | NDArray[Any],
        space: Space | None = None,
    ) -> Self:
        """Fit the model to evaluated cells, and return the model. Any earlier fit is discarded.

        Args:
            cells: Cells of one space, at least 2 different cells. The values of a repeated cell are
                averaged.
            values: Values of the cells in the metric's unit, shape ``(n,)``. The values must be
                finite and not all equal.
            space: The space of the cells, or None to look for the space among the registered
                spaces.

        Raises:
            UserError: The values are not finite, all equal, too few, or not as many as the cells.
                The error is also raised if a cell belongs to another space, or if the model does
                not support the space.
        """
        space, cells = own_cells(cells, space)
        cells, values = check_data(cells, values)
        for learned in ("_widening", "_regions", "held_out"):
            self.__dict__.pop(learned, None)
        self._space = space
        self._target = self._scale_of(values)
        with one_thread():
            target = self._target.forward(values)
            self._learn(cells, target)
            self._widening = 1.0
            self._regions = None
            if self.calibrate:
                held_out = Prediction(
                    *self._target.backward(*self._held_out(cells, target))
                )
                self._widening = _calibrated(values, held_out)
                self._regions = self._calibrated_by_region(values, held_out)
                self.held_out = Prediction(held_out.mean, held_out.std * self._widening)
        return self

    def _calibrated_by_region(
        self, values: Floats, held_out: Prediction
    ) -> Floats | None:
        """Return the predicted mean that separates the best cells from the others, and the factors
        of the standard deviations of both groups, shape ``(3,)``; None with too few cells.
        """
        sign = -1.0 if self.quantity in LARGER_IS_BETTER else 1.0
        cut = sign * float(np.quantile(sign * held_out.mean, _BEST))
        best = self._is_best(held_out.mean, cut)
        if min(best.sum(), (~best).sum()) < _FEWEST_TO_CALIBRATE:
            return None
        factors = [
            _calibrated(
                values[part], Prediction(held_out.mean[part], held_out.std[part])
            )
            for part in (best, ~best)
        ]
        return np.array([cut, *factors])

    def _is_best(self, mean: Floats, cut: float) -> NDArray[np.bool_]:
        return mean >= cut if self.quantity in LARGER_IS_BETTER else mean <= cut

    def predict(self, cells: Sequence[Cell], *, by_region: bool = True) -> Prediction:
        """Predict the metric of cells. Predicted errors and costs are never negative.

        Args:
            cells: Cells of the space that the model was fitted on.
            by_region: Whether cells that are predicted to be among the best are calibrated
                separately. With separate calibration, standard deviations have a step at the border
                between the best cells and the other cells. Set `by_region` to False to compare
                standard deviations, as an acquisition function does.

        Raises:
            UserError: The model was not fitted, or a cell belongs to another space.
        """
        if not hasattr(self, "_widening"):
            raise UserError(f"The {self.name} surrogate is not fitted: call fit first.")
        if is_sequence(cells) and not len(cells):
            return Prediction(np.empty(0), np.empty(0))
        _, cells = own_cells(cells, self._space)
        with one_thread():
            mean, std = self._target.backward(*self._predict(cells))
        widening: Floats | float = self._widening
        if by_region and self._regions is not None:
            cut, best, others = self._regions
            widening = np.where(self._is_best(mean, cut), best, others)
        if (
            self.quantity in _NEVER_NEGATIVE
        ):  # among values near zero the scale goes on below it
            mean = np.maximum(mean, 0.0)
        return Prediction(mean, std * widening)

    def _scale_of(self, values: Floats) -> Target:
        """Return the transform of the target. Override it to learn on another scale.

        Args:
            values: Values in the metric's unit, shape ``(n,)``, finite, not all equal.
        """
        return fit_target(values, self.quantity)

    @abstractmethod
    def _learn(self, cells: Sequence[Cell], target: Floats) -> None:
        """Fit the model to the transformed target of different cells."""

    @abstractmethod
    def _predict(self, cells: Sequence[Cell]) -> Prediction:
        """Predict the transformed target, with a std that is correct up to a factor."""

    def _arrays(self) -> Arrays:
        """Return the learned state: the attributes listed in `learned`."""
        return {name: np.asarray(getattr(self, f"_{name}")) for name in self.learned}

    def _restore(self, arrays: Arrays) -> None:
        """Restore the state that `_arrays` returned."""
        for name in self.learned:
            setattr(self, f"_{name}", arrays[name])

    def _held_out(self, cells: Sequence[Cell], target: Floats) -> Prediction:
        """Return out-of-fold predictions of the training cells, in the transformed target."""
        mean = np.empty(len(cells))
        std = np.empty(len(cells))
        for fold in folds(len(cells), _FOLDS, self.seed):
            training = np.setdiff1d(np.arange(len(cells)), fold)
            part = type(self)(**self.settings())
            part._space = self._space
            part._learn([cells[i] for i in training], target[training])
            mean[fold], std[fold] = part._predict([cells[i] for i in fold])
        return Prediction(mean, std)

    def state(self) -> Arrays:
        """Return the fitted state as arrays.

        `from_state` restores the model from this state and `settings`.
        """
        common = {
            "target": np.array(self._target),
            "widening": np.array(self._widening),
            "space": np.frombuffer(self._space.definition.encode(), dtype=np.uint8),
        }
        if self._regions is not None:
            common["regions"] = self._regions
        return common | {
            f"model/{name}": values for name, values in self._arrays().items()
        }

    @classmethod
    def from_state(cls, settings: Mapping[str, Any], state: Arrays) -> Self:
        """Restore a fitted model from the results of `settings` and `state`."""
        model = cls(**settings)
        model._space = space_named(bytes(state["space"]).decode())
        model._target = Target(*(float(number) for number in state["target"]))
        with one_thread():
            model._restore(within("model/", state))
        model._widening = float(state["widening"])
        model._regions = state.get("regions")
        return model


def within(prefix: str, arrays: Arrays) -> Arrays:
    """Return the arrays whose names begin with a prefix, with the prefix removed."""
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }


def _calibrated(values: Floats, held_out: Prediction) -> float:
    """Return the factor for std with which ``mean ± 1.645 std`` covers 90 % of held-out values."""
    scores = np.abs(values - held_out.mean) / np.maximum(held_out.std, 1e-12)
    rank = min(int(np.ceil(LEVEL * (len(scores) + 1))), len(scores))
    return max(float(np.sort(scores)[rank - 1]) / Z90, 1e-6)


def folds(n: int, k: int, seed: int) -> list[NDArray[np.intp]]:
    """Split ``range(n)`` at random into at most `k` parts of about equal size, none empty."""
    order = np.random.default_rng(seed).permutation(n)
    return [np.sort(order[i :: min(k, n)]) for i in range(min(k, n))]


def is_sequence(value: object) -> TypeGuard[Sequence[Any]]:
    """Return whether a value is a sequence (except text), an array, or a pandas object."""
    if hasattr(value, "ndim"):
        return bool(value.ndim)
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def own_cells(
    cells: Sequence[Cell], space: Space | None = None
) -> tuple[Space, Sequence[Cell]]:
    """Return the space of given cells, and the cells of this space with the same strings.

    Only the strings of the given cells are used.

    Args:
        cells: Cells of one space, or an enumerable space itself.
        space: The space of the cells, or None to look for the space among the registered spaces.

    Raises:
        UserError: The space is not found, or the cells belong to another space.
    """
    if not isinstance(space, Space | None):
        raise UserError(f"space= must be a space, not {space!r:.80}.")
    if isinstance(cells, Enumerable):
        if space not in (None, cells):
            raise UserError(
                f"The cells belong to the space {cells.name}, not to {space.name}."
            )
        return cells, cells
    if not is_sequence(cells) or not len(cells):
        raise UserError(f"A surrogate needs a list of cells, not {cells!r:.80}.")
    first = next(iter(cells))
    try:
        space = space or space_of(first)
    except UserError as error:
        raise UserError(
            f"{first!s:.200} does not belong to a registered space: pass its space, as in"
            " fit(cells, values, space=…)."
        ) from error
    try:
        return space, cells_given(space, cells)
    except UserError as error:
        raise UserError(f"A surrogate needs cells of one space. {error}") from error


def check_values(values: Any, n: int) -> Floats:
    """Return the values of `n` cells as an array of shape ``(n,)``.

    Raises:
        UserError: The values are not numbers, or there are not `n` values.
    """
    try:
        numbers = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise UserError(
            f"The values of the cells are not all numbers: {error}."
        ) from error
    if numbers.shape != (n,):
        raise UserError(
            f"{n} cells need {n} values, not an array of shape {numbers.shape}."
        )
    return numbers


def check_data(
    cells: Sequence[Cell], values: Sequence[float] | NDArray[Any]
) -> tuple[list[Cell], Floats]:
    """Check training data of a surrogate, and average the values of repeated cells.

    Returns:
        The different cells in the order of their first appearance, and their values, shape
        ``(n,)``.
    """
    numbers = check_values(values, len(cells))
    for bad in np.flatnonzero(~np.isfinite(numbers)).tolist():
        raise UserError(
            f"The value of {cells[bad]} is {numbers[bad]}; a surrogate needs finite values."
        )
    index: dict[Cell, int] = {}
    place = [index.setdefault(cell, len(index)) for cell in cells]
    means = np.bincount(place, weights=numbers) / np.bincount(place)
    if len(index) < FEWEST_CELLS:
        raise UserError(
            f"A surrogate needs at least {FEWEST_CELLS} different training cells, not"
            f" {len(index)}."
        )
    if np.ptp(means) == 0:
        raise UserError(
            f"All {len(index)} cells have the value {means[0]:g}: there is nothing to learn."
        )
    return list(index), means


MODELS: Registry[type[Model]] = Registry(
    "model",
    subclass_of(Model, "surrogate_nas.surrogates.Model"),
    group="surrogate_nas.models",
)
"""All models by name; the file of a model is imported when the model is first requested."""


def model_class(name: str) -> type[Model]:
    """Return a model's class.

    Args:
        name: A key of `MODELS`, a name that an installed package registers, ``file.py:Class`` for a
            user's own model, or ``sklearn:MODULE:CLASS`` for any regressor. Options may follow, as
            in ``gp(warp=True)``.

    Raises:
        UserError: The model does not exist, or its library is not installed.

    Example:
        >>> model_class("extra_trees").__name__
        'ExtraTrees'
    """
    return _class_and_options(name)[0]


def _class_and_options(name: str) -> tuple[type[Model], dict[str, Any]]:
    if not isinstance(name, str) or name.partition(":")[0] in MODELS.bridges:
        return MODELS.find(name), {}
    head, options = parse_reference(name, "model")
    return MODELS.find(head), options


def make_model(
    name: str, quantity: Quantity = "error", *, seed: int = 0, **settings: Any
) -> Model:
    """Return an unfitted model.

    Args:
        name: A name that `model_class` accepts.
        quantity: The quantity of the metric to learn.
        seed: The root seed of the model's randomness.
        **settings: Settings of the model, which override the options in `name`.

    Raises:
        UserError: The model does not exist, or it does not have one of the settings.

    Example:
        >>> make_model("gp", "loss", seed=3).quantity
        'loss'
    """
    model, options = _class_and_options(name)
    settings = options | settings
    parameters = inspect.signature(model).parameters
    known = parameters.keys() - {"quantity", "seed"}
    takes_any = any(one.kind is one.VAR_KEYWORD for one in parameters.values())
    for setting in settings.keys() - known:
        if not takes_any or setting in parameters:
            raise unknown(f"setting of the model {name}", setting, known)
    return model(quantity, seed=seed, **settings)
