"""The contract of surrogates, checked on cells of NAS-Bench-201's space with synthetic values."""

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
    """Return training cells, test cells, and a model that was fitted to the former."""
    cells = draw(space, _LEARNED + 20)
    learned = cells[:_LEARNED]
    model = surrogate("cost", seed=3).fit(learned, _values_of(learned))
    return learned, cells[_LEARNED:], model


def _check_finite(prediction: Prediction, n: int) -> None:
    mean, std = prediction
    assert mean.shape == std.shape == (n,), (
        f"the shapes for {n} cells are {mean.shape} and {std.shape}"
    )
    assert np.isfinite(mean).all() and np.isfinite(std).all() and (std > 0).all(), (
        "a mean or a standard deviation is not finite, or a standard deviation is not above 0"
    )


class SurrogateContract(Contract):
    """The checks that every surrogate must pass.

    Attributes:
        surrogate: The class under check: a subclass of `surrogate_nas.surrogates.Model`.
        space: The space on which to check the surrogate, or None for the space of NAS-Bench-201.
    """

    surrogate: type[Model]

    def spaces(self) -> Sequence[Space]:
        """Return a list with the space of the checks."""
        return [self.space or nb201()]

    def _check_same(self, model: Model, space: Space, otherwise: str) -> None:
        _, unseen, fitted = _setting(self.surrogate, space)
        pairs = zip(model.predict(unseen), fitted.predict(unseen), strict=True)
        assert all(np.array_equal(*pair) for pair in pairs), otherwise

    def test_predicts_a_mean_and_a_deviation_a_cell(self, space: Space) -> None:
        """`predict` returns a finite mean and a finite standard deviation above 0 for every cell,
        also for an empty list, for new cells, and for a model fitted to two cells.
        """
        learned, unseen, model = _setting(self.surrogate, space)
        for cells in (unseen, learned[:1], []):
            _check_finite(model.predict(cells), len(cells))
        model = self.surrogate("cost", seed=3).fit(learned[:2], [10.0, 20.0])
        _check_finite(model.predict(unseen), len(unseen))

    def test_predicts_a_cell_by_itself(self, space: Space) -> None:
        """The prediction for a cell does not depend on the other cells, up to rounding."""
        _, cells, model = _setting(self.surrogate, space)
        together = model.predict(cells).mean
        alone = [float(model.predict([cell]).mean[0]) for cell in cells]
        assert np.allclose(together, alone, rtol=1e-3), (
            f"predicted together {shown(together.tolist())}, alone {shown(alone)}"
        )

    def test_repeats_itself(self, space: Space) -> None:
        """The same seed, cells and values give the same predictions. `fit` changes neither the
        values nor the global generators of `random` and NumPy.
        """
        learned, _, _ = _setting(self.surrogate, space)
        values = _values_of(learned)
        with no_global_randomness("a generator with the given seed"):
            again = self.surrogate("cost", seed=3).fit(learned, values)
            self._check_same(
                again, space, "two models with the same seed predict different numbers"
            )
        assert np.array_equal(values, _values_of(learned)), (
            "fit changed the given values"
        )

    def test_forgets_what_it_learned_before(self, space: Space) -> None:
        """Fitting again discards earlier data, and returns the model."""
        learned, unseen, _ = _setting(self.surrogate, space)
        model = self.surrogate("cost", seed=3).fit(unseen, 7.0 + _values_of(unseen))
        assert model.fit(learned, _values_of(learned)) is model, (
            "fit does not return the model"
        )
        self._check_same(model, space, "predictions depend on data of an earlier fit")

    def test_refuses_what_cannot_be_learned(self, space: Space) -> None:
        """Values that are not finite, all equal, not numbers, or not as many as cells raise a
        one-line `UserError`.
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
                    f"the message for {shown(values)} has several lines"
                )
            else:
                raise AssertionError(
                    f"it accepts {len(learned)} cells with the values {shown(values)}"
                )

    def test_predicts_only_after_learning(self, space: Space) -> None:
        """Before fitting, `predict` raises a `UserError`."""
        model = self.surrogate("cost", seed=3)
        with suppress(UserError):
            model.predict(draw(space, 1))
            raise AssertionError("it predicts before it is fitted")
