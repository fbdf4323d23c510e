"""One interface for every surrogate: cells and values in, a mean and a standard deviation for any
cell out.

What all models share is done here once: the checks of what is given, the transform of the target by
the metric's quantity, and the calibration of the uncertainty (Vovk, "Cross-conformal predictors",
2015, on errors divided by the model's own standard deviation, as in Lei et al., JASA 2018). It is
made twice, once for the cells that are predicted to be among the best and once for the others
(Mondrian conformal prediction: Vovk et al., "Algorithmic Learning in a Random World", 2005, section
4.5): one factor for all covers too few or too many of the cells that a search is about. A model
adds what it learns and how it predicts.
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
"""Numbers by name, as they are written to a file; bytes go in as ``uint8``."""
Matrix = NDArray[np.float32]

LEVEL = 0.90
Z90 = 1.6449
"""The calibrated level, and the half width of its interval in standard deviations."""
CHUNK = 4096
"""The number of cells that a model predicts at once, where each takes much memory."""
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
"""The quantities of metrics that are the better the larger; of the others the smaller."""


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
    """A transform with its constants: ``(log(value + shift) - centre) / scale``, or without the
    logarithm.

    Attributes:
        logarithm: 1 for the logarithm, 0 for none.
        shift: Added before the logarithm.
        centre: The mean of the transformed training values.
        scale: Their standard deviation.
    """

    logarithm: float
    shift: float
    centre: float
    scale: float

    def forward(self, values: NDArray[Any]) -> Floats:
        """Values in the metric's unit on the learned scale, shape as given."""
        if self.logarithm:
            lifted = np.asarray(values, dtype=np.float64) + self.shift
            values = np.log(
                np.maximum(lifted, np.exp(self.centre - _LOWEST * self.scale))
            )
        return np.asarray((values - self.centre) / self.scale, dtype=np.float64)

    def backward(self, mean: NDArray[Any], std: NDArray[Any]) -> tuple[Floats, Floats]:
        """Mean and std in the metric's unit, shape ``(n,)``; std by the slope of the transform."""
        raw = np.asarray(mean, dtype=np.float64) * self.scale + self.centre
        spread = np.asarray(std, dtype=np.float64) * self.scale
        if not self.logarithm:
            return raw, spread
        lifted = np.exp(np.clip(raw, -_LARGEST, _LARGEST))
        return lifted - self.shift, lifted * spread


def fit_target(values: Floats, quantity: Quantity) -> Target:
    """Choose the transform and its constants for the values to learn."""
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
    """How columns are brought to one scale: by their range over many points.

    Attributes:
        varies: Whether a column varies, shape ``(d,)``.
        centre: Their means, shape ``(varying,)``.
        span: Their ranges.
        distance: The mean squared distance of two random points after that.
    """

    varies: NDArray[np.bool_]
    centre: Floats
    span: Floats
    distance: float

    @classmethod
    def of(cls, block: NDArray[Any]) -> Self:
        """Take the constants from points, shape ``(n, d)``."""
        span = np.ptp(block, axis=0)
        varying = block[:, span > 0].astype(np.float64, copy=False)
        raw = cls(span > 0, varying.mean(axis=0), np.ptp(varying, axis=0), 1.0)
        return raw._replace(
            distance=float(2 * raw.unit(block).var(axis=0).sum()) or 1.0
        )

    def unit(self, block: NDArray[Any]) -> Floats:
        """Points with the columns that vary, each centred and divided by its range, and the whole
        so that two random points are 1 apart (root mean square), shape ``(n, varying)``.

        Args:
            block: Shape ``(n, d)``.
        """
        ranged = (
            block[:, self.varies].astype(np.float64, copy=False) - self.centre
        ) / self.span
        return np.asarray(ranged / np.sqrt(self.distance))


def spread_of(matrix: NDArray[Any], least: float) -> NDArray[Any]:
    """The standard deviation of every column; 1 where it is less than so much."""
    spread = np.asarray(matrix.std(axis=0))
    spread[spread < least] = 1.0
    return spread


def default_encoding(quantity: Quantity) -> str:
    """What trees and networks see: dead operations cost, but they neither help nor harm the
    accuracy.
    """
    return "functional" if quantity in LOSSES else "path_and_graph"


def columns(space: Space, cells: Sequence[Cell], encoding: str) -> Matrix:
    """Encode cells, shape ``(n, d)``."""
    if is_surveyed(space):
        index = (
            slice(None) if isinstance(cells, Enumerable) else [c.index for c in cells]
        )
        return surveyed(space, encoding)[index]
    return _encoded(space, cells, encoding)


def is_surveyed(space: Space) -> bool:
    """Whether the survey of a space is all of it, in its order, and small enough to keep."""
    return (
        isinstance(space, Enumerable)
        and space.reference_sample is space
        and len(space) <= _MOST_SURVEYED
    )


@lru_cache(maxsize=16)
def surveyed(space: Space, encoding: str) -> Matrix:
    """Encode the cells of `Space.reference_sample`, once a process; in their order."""
    return _encoded(space, space.reference_sample, encoding)


@lru_cache(maxsize=16)
def scaling(space: Space, encoding: str) -> Scaling:
    """How the columns of an encoding are brought to one scale, from the survey of the space."""
    return Scaling.of(surveyed(space, encoding))


def _encoded(space: Space, cells: Sequence[Cell], encoding: str) -> Matrix:
    known = encoding if encoding in space.encodings else "one_hot"
    return np.ascontiguousarray(space.encode(cells, known), dtype=np.float32)


class Prediction(NamedTuple):
    """What a surrogate says of ``n`` cells, in the metric's own unit.

    Attributes:
        mean: Shape ``(n,)``.
        std: Shape ``(n,)``, calibrated: ``mean ± 1.645 std`` is made to hold 90 % of unseen cells.
            Errors have heavier tails than a normal distribution, so other levels are approximate.

    Example:
        >>> Prediction(np.array([8.0]), np.array([0.1])).mean
        array([8.])
    """

    mean: Floats
    std: Floats


class Model(Knobbed, ABC):
    """Learns one metric of cells.

    Subclasses are one file each and give `_learn` and `_predict` in the
    transformed target (about zero mean and unit variance). Cells go in, never matrices: how a cell
    becomes columns is the model's own choice among the space's encodings. A model that has
    predictions for its own training cells by parts of itself that did not see them gives
    `_held_out` too; the others are refitted on folds, for the calibration.

    Args:
        quantity: Of the metric (see `surrogate_nas.core.metrics.Metric`); decides the target's
            transform.
        seed: The root of the model's randomness.
        calibrate: Whether the standard deviation is calibrated; False where only the mean
            matters.

    Raises:
        UserError: There is no such quantity, or the seed is no whole number.

    Attributes:
        name: The key in `MODELS`.
        needs: The libraries of extras behind it, as Python imports them.
        learned: The names of what is learned, each an array in the attribute of that name behind
            an underscore. A model that learns anything else gives `_arrays` and `_restore`.
        quantity: ``error`` (%), ``loss``, ``quality``, ``cost``, ``structure``, ``proxy``: what is
            learned.
        held_out: What parts of the model that had not seen a training cell predict for it, in the
            order of the cells; repeated ones count once. It is there after a fit with `calibrate`,
            and is not stored. The standard deviation is calibrated by one factor for all cells, as
            in ``predict(…, by_region=False)``.

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
                f"A quantity is {', '.join(get_args(Quantity))}, not {quantity!r:.80}."
            )
        self.quantity: Quantity = quantity
        self.seed = check_whole("A seed", seed)
        self.calibrate = check_argument("calibrate", calibrate, bool)
        self.take(given)
        self._begin()

    def _begin(self) -> None:
        """Work out what follows from the settings, which are attributes by then."""

    def settings(self) -> dict[str, Any]:
        """The constructor's arguments, as stored under their own names, in plain JSON values: they
        make this again.
        """
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
        """Whether this model can learn cells of a space; most read any."""
        return True

    def prepare(self, space: Space) -> None:
        """Work out what follows from the space alone, once a process, so that no fit waits for
        it.
        """

    def fit(
        self,
        cells: Sequence[Cell],
        values: Sequence[float] | NDArray[Any],
        space: Space | None = None,
    ) -> Self:
        """Learn from measured cells, forgetting what was learned before; returns itself.

        Args:
            cells: Cells of one space, at least 2 different ones; the values of a repeated cell are
                averaged.
            values: Shape ``(n,)``, finite, not all equal, in the metric's unit.
            space: That of the cells; None to look for it among the registered ones.

        Raises:
            UserError: The values are not finite, all equal, not as many as the cells, or too few; a
                cell is of another space; or the model cannot read this one.
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
        """The predicted mean up to which a cell is of the best (from which, where larger values are
        better), and the factors of their standard deviations and of the others', shape ``(3,)``;
        None where there are too few cells to tell them apart.
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
        """Predict cells, also those never seen; no error and no cost is predicted to be below zero.

        Args:
            cells: Cells of the space that was learned from.
            by_region: Whether cells that are predicted to be among the best have a calibration of
                their own. False for what compares standard deviations of cells, such as an
                acquisition: at the border they have a step.

        Raises:
            UserError: Nothing was learned yet, or a cell is of another space.
        """
        if not hasattr(self, "_widening"):
            raise UserError(
                f"The {self.name} surrogate has learned nothing yet: call fit first."
            )
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
        """The transform of the target; a model overrides it where another scale suits it better.

        Args:
            values: Shape ``(n,)``, finite, not all equal, in the metric's unit.
        """
        return fit_target(values, self.quantity)

    @abstractmethod
    def _learn(self, cells: Sequence[Cell], target: Floats) -> None:
        """Learn the transformed target of different cells."""

    @abstractmethod
    def _predict(self, cells: Sequence[Cell]) -> Prediction:
        """Predict the transformed target, with a standard deviation that is right up to a
        factor.
        """

    def _arrays(self) -> Arrays:
        """Everything that was learned: the attributes that `learned` names."""
        return {name: np.asarray(getattr(self, f"_{name}")) for name in self.learned}

    def _restore(self, arrays: Arrays) -> None:
        """Take back what `_arrays` gave."""
        for name in self.learned:
            setattr(self, f"_{name}", arrays[name])

    def _held_out(self, cells: Sequence[Cell], target: Floats) -> Prediction:
        """Predictions of the training cells, in the transformed target, by models that did not see
        them.
        """
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
        """What was learned, as arrays; with `settings` it makes the model again."""
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
        """Make a fitted model of what `settings` and `state` gave."""
        model = cls(**settings)
        model._space = space_named(bytes(state["space"]).decode())
        model._target = Target(*(float(number) for number in state["target"]))
        with one_thread():
            model._restore(within("model/", state))
        model._widening = float(state["widening"])
        model._regions = state.get("regions")
        return model


def within(prefix: str, arrays: Arrays) -> Arrays:
    """The arrays whose names begin with a prefix, without it."""
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }


def _calibrated(values: Floats, held_out: Prediction) -> float:
    """The factor that makes ``mean ± 1.645 std`` hold 90 % of the held-out values."""
    scores = np.abs(values - held_out.mean) / np.maximum(held_out.std, 1e-12)
    rank = min(int(np.ceil(LEVEL * (len(scores) + 1))), len(scores))
    return max(float(np.sort(scores)[rank - 1]) / Z90, 1e-6)


def folds(n: int, k: int, seed: int) -> list[NDArray[np.intp]]:
    """Split ``range(n)`` at random into at most `k` parts of about equal size, none empty."""
    order = np.random.default_rng(seed).permutation(n)
    return [np.sort(order[i :: min(k, n)]) for i in range(min(k, n))]


def is_sequence(value: object) -> TypeGuard[Sequence[Any]]:
    """Whether something has an order and a length: a sequence that is no text, an array, or a
    Series or data frame of pandas.
    """
    if hasattr(value, "ndim"):
        return bool(value.ndim)
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def own_cells(
    cells: Sequence[Cell], space: Space | None = None
) -> tuple[Space, Sequence[Cell]]:
    """The space of cells, and its own cells by their strings: nothing else of what is handed in is
    trusted.

    Args:
        cells: Cells of one space, or an enumerable space itself.
        space: Theirs; None to look for it among the registered ones.
    """
    if not isinstance(space, Space | None):
        raise UserError(f"A space is needed, not {space!r:.80}.")
    if isinstance(cells, Enumerable):
        if space not in (None, cells):
            raise UserError(
                f"The cells are those of the space {cells.name}, not of {space.name}."
            )
        return cells, cells
    if not is_sequence(cells) or not len(cells):
        raise UserError(f"A surrogate needs a list of cells, not {cells!r:.80}.")
    first = next(iter(cells))
    try:
        space = space or space_of(first)
    except UserError as error:
        raise UserError(
            f"{first!s:.200} is a cell of no registered space: give its own, as in"
            " fit(cells, values, space=…)."
        ) from error
    try:
        return space, cells_given(space, cells)
    except UserError as error:
        raise UserError(f"A surrogate learns one space. {error}") from error


def check_values(values: Any, n: int) -> Floats:
    """The values of `n` cells, shape ``(n,)``."""
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
    """Check what a surrogate is to learn from, and average the values of repeated cells.

    Returns:
        Different cells in the order of their first appearance, and their values, shape ``(n,)``.
    """
    numbers = check_values(values, len(cells))
    for bad in np.flatnonzero(~np.isfinite(numbers)).tolist():
        raise UserError(
            f"The value of {cells[bad]} is {numbers[bad]}; a surrogate learns from finite numbers"
            " only."
        )
    index: dict[Cell, int] = {}
    place = [index.setdefault(cell, len(index)) for cell in cells]
    means = np.bincount(place, weights=numbers) / np.bincount(place)
    if len(index) < FEWEST_CELLS:
        raise UserError(
            f"A surrogate needs at least {FEWEST_CELLS} different cells to learn from, not"
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
"""Every model by name: its class, whose file is imported when it is first asked for."""


def model_class(name: str) -> type[Model]:
    """Return a model's class.

    Args:
        name: A key of `MODELS`, an installed package's, ``file.py:Class`` for one's own, or
            ``sklearn:MODULE:CLASS`` for anybody's regressor; each with options or without, as in
            ``gp(warp=True)``.

    Raises:
        UserError: There is no such model, or the library behind it is not installed.

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
    """Make an unfitted model.

    Args:
        name: As for `model_class`.
        quantity: Of the metric to learn.
        seed: The root of the model's randomness.
        **settings: The model's own; they go before options of the name.

    Raises:
        UserError: There is no such model, or it has no such setting.

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
