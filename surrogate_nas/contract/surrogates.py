"""The contract of surrogates, checked on cells of NAS-Bench-201's space with made-up values."""

from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.contract.checks import (
    Contract,
    draw,
    no_global_randomness,
    synthetic,
)
from surrogate_nas.core import UserError, shown
from surrogate_nas.space import Cell, Space, nb201
from surrogate_nas.surrogates import Model, Prediction

_LEARNED = 30


def _values_of(cells: Sequence[Cell]) -> NDArray[np.float64]:
    return np.array([1.0 + 10.0 * synthetic(cell) for cell in cells])


@lru_cache(maxsize=1)
def _setting(
    surrogate: type[Model], space: Space
) -> tuple[list[Cell], list[Cell], Model]:
    """Cells to learn from, cells that are not learned, and a model of the former."""
    cells = draw(space, _LEARNED + 20)
    learned = cells[:_LEARNED]
    model = surrogate("cost", seed=3).fit(learned, _values_of(learned))
    return learned, cells[_LEARNED:], model


def _check_finite(prediction: Prediction, n: int) -> None:
    mean, std = prediction
    assert mean.shape == std.shape == (n,), (
        f"{n} cells give the shapes {mean.shape} and {std.shape}"
    )
    assert np.isfinite(mean).all() and np.isfinite(std).all() and (std > 0).all(), (
        "a mean or a deviation is not finite, or a deviation is not above 0"
    )


class SurrogateContract(Contract):
    """Checks of a surrogate.

    Attributes:
        surrogate: The class under check: a subclass of `surrogate_nas.surrogates.Model`.
        space: The space to check it on; None for NAS-Bench-201's.
    """

    surrogate: type[Model]

    def spaces(self) -> Sequence[Space]:
        """One."""
        return [self.space or nb201()]

    def _check_same(self, model: Model, space: Space, otherwise: str) -> None:
        _, unseen, fitted = _setting(self.surrogate, space)
        pairs = zip(model.predict(unseen), fitted.predict(unseen), strict=True)
        assert all(np.array_equal(*pair) for pair in pairs), otherwise

    def test_predicts_a_mean_and_a_deviation_a_cell(self, space: Space) -> None:
        """It predicts a finite mean and a finite deviation above 0 for every cell, also for none,
        for those unseen, and where it has learned from two cells only.
        """
        learned, unseen, model = _setting(self.surrogate, space)
        for cells in (unseen, learned[:1], []):
            _check_finite(model.predict(cells), len(cells))
        model = self.surrogate("cost", seed=3).fit(learned[:2], [10.0, 20.0])
        _check_finite(model.predict(unseen), len(unseen))

    def test_predicts_a_cell_by_itself(self, space: Space) -> None:
        """What it predicts of a cell does not depend on the cells beside it, up to rounding."""
        _, cells, model = _setting(self.surrogate, space)
        together = model.predict(cells).mean
        alone = [float(model.predict([cell]).mean[0]) for cell in cells]
        assert np.allclose(together, alone, rtol=1e-3), (
            f"together {shown(together.tolist())}, alone {shown(alone)}"
        )

    def test_repeats_itself(self, space: Space) -> None:
        """The same seed, cells and values give the same predictions. It changes neither the values
        that it is given nor the global generators of `random` and NumPy.
        """
        learned, _, _ = _setting(self.surrogate, space)
        values = _values_of(learned)
        with no_global_randomness("a generator of the seed"):
            again = self.surrogate("cost", seed=3).fit(learned, values)
            self._check_same(
                again, space, "two models with one seed predict different numbers"
            )
        assert np.array_equal(values, _values_of(learned)), (
            "the given values were changed"
        )

    def test_forgets_what_it_learned_before(self, space: Space) -> None:
        """Fitting again forgets, and returns the model."""
        learned, unseen, _ = _setting(self.surrogate, space)
        model = self.surrogate("cost", seed=3).fit(unseen, 7.0 + _values_of(unseen))
        assert model.fit(learned, _values_of(learned)) is model, (
            "fit does not return the model"
        )
        self._check_same(
            model, space, "what it learned before shows in what it predicts now"
        )

    def test_refuses_what_cannot_be_learned(self, space: Space) -> None:
        """Values that are not finite, all equal, no numbers, or not as many as the cells, are a
        `UserError` of one line.
        """
        cells = _setting(self.surrogate, space)[0][:3]
        bad: tuple[tuple[list[Cell], list[object]], ...] = (
            (cells, [1.0, float("nan"), 2.0]),
            (cells, [1.0, float("inf"), 2.0]),
            (cells, [1.0, 1.0, 1.0]),
            (cells, [1.0, 2.0]),
            (cells, ["low", "mid", "high"]),
            (cells[:1], [1.0]),
            ([], []),
        )
        for learned, values in bad:
            try:
                self.surrogate("cost", seed=3).fit(learned, values)  # type: ignore[arg-type]
            except UserError as error:
                assert "\n" not in str(error), (
                    f"the message on {shown(values)} has several lines"
                )
            else:
                raise AssertionError(
                    f"it learns from {len(learned)} cells with the values {shown(values)}"
                )

    def test_predicts_only_after_learning(self, space: Space) -> None:
        """Before it has learned, `predict` is a `UserError`."""
        model = self.surrogate("cost", seed=3)
        with suppress(UserError):
            model.predict(draw(space, 1))
            raise AssertionError("it answers before it has learned")
