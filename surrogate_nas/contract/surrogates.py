"""The contract of surrogates, checked on cells of NAS-Bench-201's space with made-up values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.contract.checks import BrokenContractError
from surrogate_nas.contract.trying import draw, no_global_randomness, synthetic
from surrogate_nas.core.errors import UserError
from surrogate_nas.runtime.failure import shown
from surrogate_nas.space import Cell, Space, nb201
from surrogate_nas.surrogates import Prediction, Surrogate

_LEARNED = 30
_OTHERS = 20
Values = NDArray[np.float64]


@dataclass
class Surrogates:
    """A surrogate under check."""

    model: type[Surrogate]
    space: Space

    @cached_property
    def cells(self) -> list[Cell]:
        """Those that are learned, and then others."""
        return draw(self.space, _LEARNED + _OTHERS)

    @cached_property
    def fitted(self) -> Surrogate:
        """A model that has learned."""
        return self.new_model().fit(self.cells[:_LEARNED], values_of(self.cells[:_LEARNED]))

    def new_model(self) -> Surrogate:
        """A model that has not."""
        return self.model("cost", seed=3)


def subjects(model: type[Surrogate], _: object, space: Space | None) -> list[Surrogates]:
    """The surrogate on the one space that it is checked on."""
    return [Surrogates(model, space or nb201())]


def values_of(cells: Sequence[Cell]) -> Values:
    """Made-up costs (ms), all above 0."""
    return np.array([1.0 + 10.0 * synthetic(cell) for cell in cells])


def _same(one: Prediction, other: Prediction) -> bool:
    return np.array_equal(one.mean, other.mean) and np.array_equal(one.std, other.std)


def _predicts_a_mean_and_a_deviation_a_cell(subject: Surrogates) -> str:
    """It predicts a finite mean and a finite deviation above 0 for every cell, also for none and
    for those unseen.
    """
    for cells in (subject.cells[_LEARNED:], subject.cells[:1], []):
        prediction = subject.fitted.predict(cells)
        shapes = (prediction.mean.shape, prediction.std.shape)
        if shapes != ((len(cells),), (len(cells),)):
            raise BrokenContractError(
                f"{len(cells)} cells give the shapes {shapes[0]} and {shapes[1]}"
            )
        if (
            not np.isfinite(prediction.mean).all()
            or not np.isfinite(prediction.std).all()
            or not (prediction.std > 0).all()
        ):
            raise BrokenContractError(
                "a mean or a deviation is not finite, or a deviation is not above 0"
            )
    return f"{_OTHERS} cells, one and none"


def _predicts_a_cell_by_itself(subject: Surrogates) -> str:
    """What it predicts of a cell does not depend on the cells beside it, up to rounding."""
    cells = subject.cells[_LEARNED:]
    together = subject.fitted.predict(cells).mean
    alone = [float(subject.fitted.predict([c]).mean[0]) for c in cells]
    if not np.allclose(together, alone, rtol=1e-3):
        raise BrokenContractError(f"together {shown(together.tolist())}, alone {shown(alone)}")
    return f"{len(cells)} cells"


def _repeats_itself(subject: Surrogates) -> str:
    """The same seed, cells and values give the same predictions."""
    again = subject.new_model().fit(subject.cells[:_LEARNED], values_of(subject.cells[:_LEARNED]))
    if not _same(again.predict(subject.cells), subject.fitted.predict(subject.cells)):
        raise BrokenContractError("two models with one seed predict different numbers")
    return f"{len(subject.cells)} predictions are the same"


def _forgets_what_it_learned_before(subject: Surrogates) -> str:
    """Fitting again forgets, and returns the model."""
    model = subject.new_model().fit(
        subject.cells[_LEARNED:], 7.0 + values_of(subject.cells[_LEARNED:])
    )
    if model.fit(subject.cells[:_LEARNED], values_of(subject.cells[:_LEARNED])) is not model:
        raise BrokenContractError("fit does not return the model")
    if not _same(model.predict(subject.cells), subject.fitted.predict(subject.cells)):
        raise BrokenContractError("what it learned before shows in what it predicts now")
    return "predicts as one that was fitted once"


def _learns_from_two_cells(subject: Surrogates) -> str:
    """Two cells are enough."""
    prediction = subject.new_model().fit(subject.cells[:2], [10.0, 20.0]).predict(subject.cells)
    if not np.isfinite(prediction.mean).all() or not np.isfinite(prediction.std).all():
        raise BrokenContractError("a prediction is not finite")
    return f"{len(subject.cells)} finite predictions"


def _refuses_what_cannot_be_learned(subject: Surrogates) -> str:
    """Values that are not finite, all equal, no numbers, or not as many as the cells, are a
    `UserError` of one line.
    """
    cells = subject.cells[:3]
    bad: tuple[tuple[list[Cell], list[object]], ...] = (
        (cells, [1.0, float("nan"), 2.0]),
        (cells, [1.0, float("inf"), 2.0]),
        (cells, [1.0, 1.0, 1.0]),
        (cells, [1.0, 2.0]),
        (cells, ["low", "mid", "high"]),
        (cells[:1], [1.0]),
        ([], []),
    )
    for given, values in bad:
        try:
            subject.new_model().fit(given, values)  # type: ignore[arg-type]
        except UserError as error:
            if "\n" in str(error):
                raise BrokenContractError(
                    f"the message on {shown(values)} has several lines"
                ) from error
            continue
        raise BrokenContractError(
            f"it learns from {len(given)} cells with the values {shown(values)}"
        )
    return f"{len(bad)} were refused"


def _predicts_only_after_learning(subject: Surrogates) -> str:
    """Before it has learned, `predict` and `state` are a `UserError`."""
    for ask in (
        lambda: subject.new_model().predict(subject.cells),
        lambda: subject.new_model().state(),
    ):
        try:
            ask()
        except UserError:
            continue
        raise BrokenContractError("it answers before it has learned")
    return "both were refused"


def _comes_back_from_its_state(subject: Surrogates) -> str:
    """Its `settings`, plain JSON values, and its `state`, plain arrays, make a model that predicts
    the same.
    """
    state = subject.fitted.state()
    if not all(isinstance(array, np.ndarray) and array.dtype != object for array in state.values()):
        raise BrokenContractError("its state holds something that is no plain array")
    again = subject.model.from_state(subject.fitted.settings(), state)
    if not _same(again.predict(subject.cells), subject.fitted.predict(subject.cells)):
        raise BrokenContractError("the model that its state makes predicts other numbers")
    return f"{len(state)} arrays"


def _leaves_the_rest_alone(subject: Surrogates) -> str:
    """It changes neither the values that it is given nor the global generators of `random` and
    NumPy.
    """
    values = values_of(subject.cells[:_LEARNED])
    before = values.copy()
    with no_global_randomness("a generator of the seed"):
        subject.new_model().fit(subject.cells[:_LEARNED], values).predict(subject.cells)
    if not np.array_equal(values, before):
        raise BrokenContractError("the given values were changed")
    return "all is as before"


CHECKS: tuple[Callable[[Surrogates], str], ...] = (
    _predicts_a_mean_and_a_deviation_a_cell,
    _predicts_a_cell_by_itself,
    _repeats_itself,
    _forgets_what_it_learned_before,
    _learns_from_two_cells,
    _refuses_what_cannot_be_learned,
    _predicts_only_after_learning,
    _comes_back_from_its_state,
    _leaves_the_rest_alone,
)
"""Every check; the docstring is the promise."""
