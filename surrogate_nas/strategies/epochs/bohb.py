"""BOHB: Hyperband whose cells are drawn where good cells are denser than bad ones.

Falkner, Klein & Hutter, "BOHB: Robust and Efficient Hyperparameter Optimization at Scale", ICML 2018, with the
densities of Bergstra et al. (TPE, NeurIPS 2011) over choices. Departures: the width of a choice's kernel follows from
how often options differ, not from their numbers, whose order means nothing, and never makes another option likelier
than the datum's own; cells that were asked for are passed over; where a drawn combination is no cell of the space, a
mutation of the good cell that it came from stands in. ``bandwidth_factor`` widens what is drawn, as the paper has it;
its code does so for numbers only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from surrogate_nas.core.errors import UserError
from surrogate_nas.space import Cell, ChoiceSpace, Space, choices_of
from surrogate_nas.space.trial import Trial
from surrogate_nas.strategies.epochs.density import Density
from surrogate_nas.strategies.epochs.hyperband import Hyperband
from surrogate_nas.strategies.epochs.rungs import Rung

_GOOD = 0.15
_SPARE = 2


class _Model(NamedTuple):
    """What is known of good and bad cells of one rung."""

    cells: list[Cell]
    good: Density
    bad: Density


class Bohb(Hyperband):
    """Hyperband that learns from the highest rung with enough told cells.

    Of a rung's cells the best 15 % are good, the others bad; both densities hold at least one cell more than the space
    has positions, for which they share cells where few are told.

    Example:
        >>> import surrogate_nas as sn
        >>> run = sn.search("fashion", "bohb", "valid_error", budget=60)
        >>> sorted({trial.epochs for trial in run.trials}), run.incumbent.epochs
        ([1, 5], 5)
    """

    def __init__(
        self,
        space: Space,
        *,
        seed: int,
        eta: float = 3.0,
        rungs: int | None = None,
        num_samples: int = 64,
        random_fraction: float = 1 / 3,
        bandwidth_factor: float = 3.0,
        min_bandwidth: float = 1e-3,
    ) -> None:
        """Start with nothing told.

        Args:
            space: The space that cells come from.
            seed: The root of the strategy's randomness.
            eta: η, the least factor between the epochs of two rungs, above 1.
            rungs: How many rungs, the highest; None for as many as the epochs give. Where these give fewer, a cell goes
                on by being trained again for the first of them.
            num_samples: How many cells are drawn to choose one from, N_s.
            random_fraction: The share of cells that are drawn uniformly, ρ.
            bandwidth_factor: What widths are multiplied by when cells are drawn, b_w.
            min_bandwidth: The least width.

        Raises:
            UserError: The space is not one of choices, or less than no cell is drawn.
        """
        super().__init__(space, seed=seed, eta=eta, rungs=rungs)
        if not isinstance(space, ChoiceSpace):
            raise UserError(f"bohb needs a space of choices (ChoiceSpace); {space.name} is none.")
        if num_samples < 0:
            raise UserError(f"num_samples is at least 0, not {num_samples}.")
        self.num_samples, self.random_fraction = num_samples, random_fraction
        self.bandwidth_factor, self.min_bandwidth = bandwidth_factor, min_bandwidth
        self._choices = space
        self._counts = np.array([len(options) for options in space.options], dtype=np.float64)
        self._seen: dict[Rung, list[Trial]] = {}
        self._model: _Model | None = None
        self._stale = False

    def _learn(self, trial: Trial, rung: Rung | None) -> None:
        if rung is None:
            rung = next((held for held in reversed(self.ladder) if held.epochs == trial.epochs), None)
        if rung is not None:
            self._seen.setdefault(rung, []).append(trial)
            self._stale = True

    def _draw(self) -> Cell:
        if self._stale:
            self._model, self._stale = self._fitted(), False
        if self._model is None or self.rng.random() < self.random_fraction:
            return super()._draw()
        model = self._model
        drawn, origin = model.good.draw(self.num_samples, self.bandwidth_factor, self.rng)
        cells = [
            self._cell(choices, model.cells[place])
            for choices, place in zip(drawn.tolist(), origin.tolist(), strict=True)
        ]
        new = [cell for cell in dict.fromkeys(cells) if cell not in self._known]
        if not new:
            return super()._draw()
        points = choices_of(new)
        cell = new[int((model.good.at(points) / model.bad.at(points)).argmax())]
        self._known.add(cell)
        return cell

    def _cell(self, choices: Sequence[int], origin: Cell) -> Cell:
        try:
            return self._choices.at(choices)
        except UserError:
            return self.space.mutate(origin, self.rng)

    def _fitted(self) -> _Model | None:
        """The densities of the highest rung that allows it."""
        least = len(self._counts) + 1
        for rung in reversed(self.ladder):
            trials = self._seen.get(rung, [])
            if len(trials) < least + _SPARE:
                continue
            ranked = [trial.cell for trial in sorted(trials, key=lambda trial: trial.score)]
            n = max(least, int(_GOOD * len(ranked)))
            rest = max(least, len(ranked) - n)
            good, bad = choices_of(ranked[:n]), choices_of(ranked[-rest:])
            return _Model(
                ranked[:n],
                Density.of(good, self._counts, self.min_bandwidth),
                Density.of(bad, self._counts, self.min_bandwidth),
            )
        return None
