"""An ensemble of dissimilar models, whose prediction errors are large for different cells.

For errors and losses, the members are a graph network, boosted and extra trees, and two Gaussian
processes. For costs and structure, the members are boosted trees, a Gaussian process and ridge
regression. A member that does not support the space is left out, such as a graph neural network if
cells are not graphs.

The weights of the members are fitted to their out-of-fold predictions (stacking, Wolpert, Neural
Networks 1992), and are non-negative (Breiman, Machine Learning 1996). The weights are shrunk
towards prior weights, because few cells do not suffice to estimate weights.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from surrogate_nas.core import LOSSES, UserError, check_number, other, unknown
from surrogate_nas.space import Cell
from surrogate_nas.surrogates.base import (
    MODELS,
    Arrays,
    Floats,
    Model,
    Prediction,
    is_sequence,
    make_model,
    model_class,
    within,
)

Member = tuple[str, dict[str, Any], float]
"""A model's name, its settings, and its prior weight."""

MEMBERS: dict[str, tuple[Member, ...]] = {
    "accuracy": (
        ("gnn", {}, 3.0),
        ("xgboost", {}, 1.0),
        ("extra_trees", {}, 1.0),
        ("gp", {"warp": True}, 1.0),
        ("gp", {}, 1.0),
    ),
    "cost": (("xgboost", {}, 1.0), ("gp", {}, 1.0), ("ridge", {}, 1.0)),
}
_PRIOR_CELLS = 200.0


class Ensemble(Model):
    """A weighted mean of other surrogates, on the transformed target.

    Args:
        seed: The root seed of the members' randomness.
        members: Name, settings and prior weight of each member, or empty for the default members of
            the quantity.

    Raises:
        UserError: The description of a member is malformed.

    Example:
        >>> [name for name, *_ in Ensemble("cost").members]
        ['xgboost', 'gp', 'ridge']
    """

    name: ClassVar[str] = "ensemble"

    members: Sequence[Member] = other((), list, lambda _, given: given)

    def _begin(self) -> None:
        chosen = (
            self.members or MEMBERS["accuracy" if self.quantity in LOSSES else "cost"]
        )
        if not is_sequence(chosen):
            raise UserError(
                f"The members of an ensemble must be a list, not {chosen!r:.80}."
            )
        self.members = [_member(entry) for entry in chosen]

    @property
    def _reading(self) -> list[Member]:
        reading = [
            member
            for member in self.members
            if model_class(member[0]).reads(self._space)
        ]
        if not reading:
            raise UserError(
                f"No member of the ensemble supports the space {self._space.name}."
            )
        return reading

    def _learn(self, cells: Sequence[Cell], target: Floats) -> None:
        from scipy.optimize import nnls

        values, _ = self._target.backward(target, target)
        self._models = [
            make_model(
                name, self.quantity, seed=self.seed, **(settings | {"calibrate": True})
            ).fit(cells, values, self._space)
            for name, settings, _ in self._reading
        ]
        means, stds = self._in_target([model.held_out for model in self._models])
        # Non-negative weights, summing to 1, of the least held-out error plus a pull to the prior
        # weights.
        prior = np.array([weight for *_, weight in self._reading])
        prior /= prior.sum()
        spread = float(np.sqrt(((means - target) ** 2).mean()))
        pull = np.sqrt(_PRIOR_CELLS) * spread * np.eye(len(prior))
        one = 1e3 * spread * np.sqrt(len(target)) * np.ones(len(prior))
        rows = np.vstack([means.T, pull, one])
        weights, _ = nnls(rows, np.concatenate([target, pull @ prior, [one[0]]]))
        self._weights = np.asarray(weights / weights.sum())
        self._left_out = self._combined(means, stds)

    def _in_target(self, predictions: Sequence[Prediction]) -> tuple[Floats, Floats]:
        """Return members' means and stds on the transformed target, ``(members, n)`` each."""
        means = np.array([self._target.forward(each.mean) for each in predictions])
        derivatives = self._target.backward(means, np.ones_like(means))[1]
        return means, np.array([each.std for each in predictions]) / np.maximum(
            derivatives, 1e-12
        )

    def _combined(self, means: Floats, stds: Floats) -> Prediction:
        mean = self._weights @ means
        return Prediction(
            mean, np.sqrt(self._weights @ (stds**2 + (means - mean) ** 2))
        )

    def _predict(self, cells: Sequence[Cell]) -> Prediction:
        found = [model.predict(cells, by_region=False) for model in self._models]
        return self._combined(*self._in_target(found))

    def _held_out(self, cells: Sequence[Cell], target: Floats) -> Prediction:
        return self._left_out

    def _arrays(self) -> Arrays:
        states = {
            f"{i:02}/{name}": array
            for i, model in enumerate(self._models)
            for name, array in model.state().items()
        }
        return {"weights": self._weights} | states

    def _restore(self, arrays: Arrays) -> None:
        self._weights = arrays["weights"]
        unfitted = [
            make_model(name, self.quantity, seed=self.seed, **settings)
            for name, settings, _ in self._reading
        ]
        self._models = [
            type(model).from_state(model.settings(), within(f"{i:02}/", arrays))
            for i, model in enumerate(unfitted)
        ]


def _member(entry: Any) -> Member:
    if not is_sequence(entry) or len(entry) != 3 or not isinstance(entry[1], Mapping):
        raise UserError(
            f"A member of an ensemble is its name, its settings and its weight, not {entry!r:.80}."
        )
    name, settings, weight = entry
    # it may stand in a stored file, which must not name code
    if not isinstance(name, str) or name not in MODELS:
        raise unknown("member of an ensemble", str(name), MODELS)
    return name, dict(settings), check_number(f"The weight of {name}", weight)
