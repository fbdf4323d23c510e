"""Freeze-thaw: every training is paused after each step, and the most promising one goes on.

Swersky, Snoek & Adams, "Freeze-Thaw Bayesian Optimization", arXiv 1406.3896, 2014, with the process
of `surrogate_nas.surrogates.curves`. Departure: they choose by the entropy of where the best end
lies. Only a cell that is trained to the end can be the answer here, so it is chosen by the expected
improvement at the end per epoch of the best plan: to train to the end, or one step, and on where
its outcome is good enough. That is Weitzman's index of a box that is opened in two steps (Aouad, Ji
& Shaposhnik, "The Pandora's Box Problem with Sequential Inspections", 2020); expected improvement
per cost alone (Snoek, Larochelle & Adams, NeurIPS 2012) is the plan without a choice, and gives too
little for a first look.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import ClassVar, NamedTuple

import numpy as np

from surrogate_nas.space import Cell, Space
from surrogate_nas.space.trial import Request, Trial
from surrogate_nas.strategies.bo.front import shortfall
from surrogate_nas.strategies.epochs.rungs import Rung, check_ladder, rungs_of
from surrogate_nas.strategies.guided import Guided, floor_of
from surrogate_nas.surrogates.columns import positions
from surrogate_nas.surrogates.curves import (
    CurveHyper,
    CurveProcess,
    Foreseen,
    most_likely_curves,
)
from surrogate_nas.surrogates.gaussian import LEAST, Floats, Posterior

_GROWTH = 1.5
"""The likelihood is maximised again when so many times as many values are observed."""
_MOST = 600
"""When it is and there are more curves, the model forgets half of them."""
_LEAST_ENDS = 2
"""Of how many cells the ends are known before an improvement on them is expected of others."""
_OUTCOMES = 32
"""Of the next step, equally likely ones that a plan is made for."""


class _Curve(NamedTuple):
    """What is known of a cell that was begun.

    Attributes:
        values: What is learned at each step, shape ``(t,)``; NaN where it is not observed, infinite
            where a limit is broken that only an evaluation tells.
        penalty: The known λR.
        allowed: Whether no known limit is broken.
    """

    values: Floats
    penalty: float
    allowed: bool


class FreezeThaw(Guided):
    """Trains on, by one step, or begins the cell of largest expected improvement per epoch.

    Cells that are begun are mutations of those with the best predicted ends, and random ones. Costs
    are counted in epochs, and training on as the difference, also where the benchmark's runs are
    each of their own. With one number of epochs or none every training ends with its first step.

    Example:
        >>> import surrogate_nas as sn
        >>> run = sn.search("fashion", "freeze_thaw", "valid_error", budget=60)
        >>> begun = {trial.cell for trial in run.trials[10:]}
        >>> ended = {trial.cell for trial in run.trials[10:] if trial.epochs == 5}
        >>> 0 < len(ended) < len(begun)
        True
    """

    chooses_epochs: ClassVar[bool] = True

    def __init__(
        self,
        space: Space,
        *,
        seed: int,
        first_cells: int = 10,
        eta: float = 1.5,
        pool: str = "mixed",
    ) -> None:
        """Start with no curve.

        Args:
            first_cells: How many curves are observed before the model is used, at least 2; random
                cells are trained one step for that.
            eta: η, the least factor between the epochs of two steps, above 1.
            pool: A key of `surrogate_nas.strategies.guided.POOLS`, from which cells are begun.

        Raises:
            UserError: There is no such pool, or a number is out of range.
        """
        super().__init__(space, seed=seed, pool=pool, first_cells=first_cells)
        check_ladder(eta)
        self.eta = eta
        self._curves: dict[Cell, _Curve] = {}
        self._process: CurveProcess | None = None
        self._hyper = CurveHyper()
        self._numbers: dict[Cell, int] = {}
        self._fresh: list[tuple[Cell, int]] = []
        self._n_values = self._n_fitted = 0
        self._ranked: list[Cell] = []
        self._best = np.inf

    @cached_property
    def ladder(self) -> Sequence[Rung]:
        """The steps of a curve, rising."""
        return rungs_of(self.epochs, self.eta)

    def tell(self, trials: Sequence[Trial]) -> None:
        """Take in what trials say of their curves; one after other epochs than those of a step says
        nothing.
        """
        super().tell(trials)
        steps = {rung.epochs: number for number, rung in enumerate(self.ladder)}
        for trial in trials:
            if trial.failure or trial.epochs not in steps:
                continue
            step = steps[trial.epochs]
            curve = self._curves.get(trial.cell) or self._new_curve(trial.cell)
            if np.isnan(curve.values[step]):
                self._fresh.append((trial.cell, step))
                self._n_values += 1
            score = trial.score if trial.feasible else np.inf
            if self._adds_up and not curve.allowed:  # it tells of L as much as any
                score = trial.loss + trial.penalty
            curve.values[step] = score - curve.penalty
            if step == len(self.ladder) - 1:
                self._best = min(self._best, trial.score)

    def _new_curve(self, cell: Cell) -> _Curve:
        allowed = self.known is None or bool(self.known.feasible([cell])[0])
        nothing = np.full(len(self.ladder), np.nan)
        self._curves[cell] = _Curve(nothing, float(self._penalty([cell])[0]), allowed)
        return self._curves[cell]

    def ask(self, n: int) -> Sequence[Cell | Request]:
        """Propose what to train on, or to begin."""
        asked: list[Cell | Request] = []
        for _ in range(n):
            cell, step = self._promising() or (self._drawn(), 0)
            self._waiting.add(cell)
            asked.append(self.ladder[step].request(cell))
        return asked

    def _promising(self) -> tuple[Cell, int] | None:
        """The cell of largest index, and the step that it shall be trained to; None for a random
        one.
        """
        n_begun = len({*self._observed, *self._waiting})
        if n_begun < self.first_cells or len(self._curves) < _LEAST_ENDS:
            return None
        process = self._conditioned()
        values, floor = self._learned()
        begun = process.predict(values)
        cells = list(self._numbers)
        curves = [self._curves[cell] for cell in cells]
        penalty = np.array([curve.penalty for curve in curves])
        order = np.argsort(np.exp(begun.mean) + penalty, kind="stable")
        self._ranked = [cells[place] for place in order]

        last = len(self.ladder) - 1
        step_of = {cell: _latest(self._curves[cell]) + 1 for cell in cells}
        paused = [
            place
            for place, cell in enumerate(cells)
            if step_of[cell] <= last
            and curves[place].allowed
            and cell not in self._waiting
            and cell not in self._failed
        ]
        if np.count_nonzero(~np.isnan(values[:, -1])) < _LEAST_ENDS:
            best = next((cells[place] for place in order if place in paused), None)
            return None if best is None else (best, last)
        waiting = {self._identity(cell) for cell in self._waiting}
        new = self._allowed(self.pool(self.space, self._ranked, self.rng))
        new = [cell for cell in new if not waiting or self._identity(cell) not in waiting]
        asked = [*(cells[place] for place in paused), *new]
        if not asked:
            return None
        foreseen = Foreseen(*(part[paused] for part in begun))
        if new:
            parts = zip(foreseen, process.predict_new(self._points(new)), strict=True)
            foreseen = Foreseen(*map(np.concatenate, parts))
        steps = np.array([step_of.get(cell, 0) for cell in asked])
        added = np.concatenate([penalty[paused], self._penalty(new)])
        resource = np.array([0.0, *(rung.resource for rung in self.ladder)])
        next_step, rest = resource[steps + 1] - resource[steps], resource[-1] - resource[steps + 1]
        index = _index(foreseen, self._best - added - floor, next_step, rest)
        likely = np.exp(foreseen.mean) + added
        place = np.lexsort((likely, -np.round(index / (index.max() or 1.0), 9)))[0]
        return asked[place], int(steps[place])

    def _conditioned(self) -> CurveProcess:
        """The process, with all that is observed."""
        if self._process is None or self._n_values >= _GROWTH * self._n_fitted:
            self._forget()
            self._numbers = {cell: number for number, cell in enumerate(self._curves)}
            values, _ = self._learned()
            places = np.log([rung.resource for rung in self.ladder])
            places = (places - places[0]) / (np.ptp(places) or 1.0)
            points = self._points(list(self._curves))
            self._hyper = most_likely_curves(places, points, values, self._hyper, self._model_seed)
            self._process = CurveProcess(places, self._hyper, points, ~np.isnan(values))
            self._n_values = self._n_fitted = int((~np.isnan(values)).sum())
        else:
            begun = [cell for cell in self._curves if cell not in self._numbers]
            if begun:
                self._process.add(self._points(begun))
            self._numbers.update((cell, len(self._numbers)) for cell in begun)
            for cell, step in self._fresh:
                self._process.observe(self._numbers[cell], step)
        self._fresh = []
        return self._process

    def _forget(self) -> None:
        """Of too many curves keep those of the best predicted ends, and random ones."""
        if len(self._curves) <= _MOST:
            return
        best = self._ranked[: _MOST // 4]
        others = [cell for cell in self._curves if cell not in {*best}]
        some = self.rng.permutation(len(others))[: _MOST // 4]
        kept = {*best, *(others[place] for place in some)}
        self._curves = {cell: curve for cell, curve in self._curves.items() if cell in kept}

    def _learned(self) -> tuple[Floats, float]:
        """The logarithms of how far the values of each step lie above a floor a little below their
        best, shape ``(n, t)``; and the floor of the last step.

        Each step has a floor of its own, so that cells differ as much early as late.
        """
        table = np.array([self._curves[cell].values for cell in self._numbers])
        floor = 0.0
        for values in table.T:
            feasible = values[np.isfinite(values)]
            worst = feasible.max() if len(feasible) else 0.0
            values[np.isinf(values)] = worst
            if (observed := values[~np.isnan(values)]).size:
                floor = floor_of(observed)
                values[:] = np.log(np.maximum(values - floor, LEAST))
        return table, floor

    def _points(self, cells: Sequence[Cell]) -> Floats:
        """Where cells lie by the encodings that tell what they compute, two random ones about 1
        apart, shape ``(n, d)``.
        """
        names = dict.fromkeys("+".join(self.space.views).split("+"))
        blocks = [positions(self.space, cells, name) for name in names]
        return np.asarray(np.hstack(blocks) / np.sqrt(len(blocks)))


def _latest(curve: _Curve) -> int:
    """The last step that was observed."""
    return int(np.flatnonzero(~np.isnan(curve.values))[-1])


def _index(foreseen: Foreseen, room: Floats, step: Floats, rest: Floats) -> Floats:
    """The largest ratio of expected improvement to expected cost of the plans that take one step,
    and go on to the end after its best outcomes; shape ``(k,)``.

    Args:
        foreseen: Of the logarithm of L above the floor at the end.
        room: Of what L above the floor is an improvement, shape ``(k,)``.
        step: What the next step costs.
        rest: What is left to the end then.
    """
    from scipy.special import ndtri

    outcomes = ndtri((np.arange(_OUTCOMES) + 0.5) / _OUTCOMES)  # the best first
    mean = foreseen.mean[:, None] + np.sqrt(foreseen.explained)[:, None] * outcomes
    left = np.maximum(foreseen.variance - foreseen.explained, LEAST)
    after = Posterior(mean.ravel(), np.repeat(left, _OUTCOMES))
    gain = shortfall(np.repeat(room, _OUTCOMES)[:, None], after).reshape(mean.shape)
    share = np.arange(1, _OUTCOMES + 1) / _OUTCOMES
    ratio = gain.cumsum(axis=1) / _OUTCOMES / (step[:, None] + rest[:, None] * share)
    return np.asarray(ratio.max(axis=1))
