"""A surrogate in the place of `bo`'s own processes, so that what these are worth can be
measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from surrogate_nas.core.errors import UserError
from surrogate_nas.space import Cell, Space
from surrogate_nas.strategies.bo.expert import Seen
from surrogate_nas.strategies.guided import logarithm_of
from surrogate_nas.surrogates import Surrogate, make_model, model_class
from surrogate_nas.surrogates.gaussian import Floats

_PATIENCE = 0.1
"""The surrogate is fitted anew when so large a share of the observed cells is new to it."""


class _Fitted(NamedTuple):
    """A surrogate of one objective.

    Attributes:
        surrogate: None where all values were equal.
        pole: What was taken off the values.
        n: From how many cells it learned.
        level: The mean logarithm of what it learned.
        predicted: Mean and variance of the cells that it has predicted: they are asked about again
            and again.
    """

    surrogate: Surrogate | None
    pole: float
    n: int
    level: float
    predicted: dict[Cell, tuple[float, float]]


class Substitute:
    """A surrogate of each objective, refitted from time to time.

    Args:
        model: A key of `surrogate_nas.surrogates.MODELS`, or ``file.py:Class``.
        space: That of the cells.
        seed: Of every fit.

    Raises:
        UserError: There is no such model, or it cannot read the space.

    Example:
        >>> from surrogate_nas.space import nb201
        >>> cells = nb201()[:40]
        >>> values = np.array([sum(cell.choices) + 1.0 for cell in cells])
        >>> pole, seen = Substitute("ridge", nb201(), seed=0).predict(0, cells, values, 0.5, cells)
        >>> bool(pole < 1.0), bool(np.corrcoef(seen.mean, values)[0, 1] > 0.9)
        (True, True)
    """

    def __init__(self, model: str, space: Space, seed: int) -> None:
        if not model_class(model).reads(space):
            raise UserError(
                f"The model {model} cannot read cells of {space.name}; gp, extra_trees and ridge"
                " can."
            )
        self._model = model
        self._space = space
        self._seed = seed
        self._by_objective: dict[int, _Fitted] = {}
        make_model(model).prepare(space)

    def predict(
        self,
        objective: int,
        cells: Sequence[Cell],
        values: Floats,
        sharpness: float,
        asked: Sequence[Cell],
    ) -> tuple[float, Seen]:
        """The pole, and mean and variance of log(value − pole) of some cells.

        Args:
            objective: Its number.
            cells: The observed cells, at least one.
            values: What is learned of them, shape ``(n,)``.
            sharpness: How far below the least value the pole lies, as a share of the distance to
                the median.
            asked: The cells to predict, ``k`` of them.
        """
        fitted = self._by_objective.get(objective)
        if (
            fitted is None
            or len(cells) >= (1 + _PATIENCE) * fitted.n
            or values.min() <= fitted.pole
        ):
            fitted = self._by_objective[objective] = self._fit(cells, values, sharpness)
        if fitted.surrogate is None:
            return fitted.pole, Seen(np.full(len(asked), fitted.level), np.ones(len(asked)))
        if new := [cell for cell in asked if cell not in fitted.predicted]:
            mean, std = logarithm_of(fitted.surrogate.predict(new, by_region=False))
            fitted.predicted.update(
                zip(new, zip(mean.tolist(), (std**2).tolist(), strict=True), strict=True)
            )
        return fitted.pole, Seen(*np.array([fitted.predicted[cell] for cell in asked]).T)

    def _fit(self, cells: Sequence[Cell], values: Floats, sharpness: float) -> _Fitted:
        least = float(values.min())
        pole = least - sharpness * ((float(np.median(values)) - least) or 1.0)
        above = values - pole
        surrogate = None
        if len(cells) > 1 and np.ptp(above) > 0:
            surrogate = make_model(self._model, seed=self._seed).fit(cells, above, self._space)
        return _Fitted(surrogate, pole, len(cells), float(np.log(above).mean()), {})
