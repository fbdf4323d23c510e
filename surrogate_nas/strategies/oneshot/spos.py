"""SPOS: train the supernet on uniformly sampled paths, then search for the best cell with inherited
weights by evolution.

Guo et al., "Single Path One-Shot Neural Architecture Search with Uniform Sampling", ECCV 2020.
Departures from the paper: Only paths that carry the input are sampled. Inherited weights are
evaluated on one batch of validation data with the statistics of that batch, instead of recalibrated
statistics. The score is L + λR, so cost is a penalty and not a constraint. The best cells by
inherited weights are evaluated one after another, since ranking by inherited weights is inaccurate.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from surrogate_nas.core import whole
from surrogate_nas.strategies.oneshot.base import OneShot

_MUTATED = 0.1


class Spos(OneShot):
    """Train uniformly sampled single paths, then run an evolution on inherited weights.

    Args:
        epochs: Number of passes over the training data; each step trains a single path.
        population: Number of cells per generation, half of them from crossover and half from
            mutation.
        generations: Number of generations, including the random first one.
        parents: Number of best cells so far from which the next generation is derived.
        examples: Number of validation examples for evaluating inherited weights.

    Example:
        >>> import surrogate_nas as sn
        >>> Spos(sn.nb201(), seed=0, population=6).population
        6
    """

    epochs = whole(24, 1)
    population: int = whole(50, 1)
    generations: int = whole(5, 1)
    parents: int = whole(10, 1)
    examples: int = whole(1000, 1)

    def _begin(self) -> None:
        super()._begin()
        self._scores: dict[int, float] = {}

    def _train(self) -> Iterator[None]:
        self.supernet = self.supernet_context.supernet(
            epochs=self._passes, seed=int(self.rng.integers(2**31))
        )
        self._alive = np.flatnonzero(self.supernet_context.alive)
        self._places = {
            tuple(row): place for place, row in enumerate(self.space.choices.tolist())
        }
        for _ in range(self._passes):
            for place in self.rng.choice(
                self._alive, size=self.supernet.steps_an_epoch
            ):
                self.supernet.train(path=self.space[int(place)].choices)
            yield
        self._judge(self.rng.permutation(self._alive)[: self.population].tolist())
        yield
        for _ in range(self.generations - 1):
            self._judge(self._children())
            yield

    def _judge(self, places: Sequence[int]) -> None:
        paths = [self.space[place].choices for place in places]
        losses = self.supernet.inherited(paths, self.examples)
        scores = losses + self.supernet_context.penalty.penalty(paths)
        self._scores |= dict(zip(places, scores.tolist(), strict=True))

    def _children(self) -> list[int]:
        """Return new cells that have a path, crossed from two of the best or mutated from one;
        fewer if hardly any are new.
        """
        best = [self.space[place].choices for place in self._ranked()[: self.parents]]
        children: dict[int, None] = {}
        for attempt in range(20 * self.population):
            if len(children) >= self.population:
                break
            first, second = (
                np.array(best[i]) for i in self.rng.integers(len(best), size=2)
            )
            if attempt % 2:
                child = np.where(self.rng.random(len(first)) < 0.5, first, second)
            else:
                drawn = self.rng.integers(
                    len(self.supernet_context.choices), size=len(first)
                )
                child = np.where(self.rng.random(len(first)) < _MUTATED, drawn, first)
            place = self._places[tuple(child.tolist())]
            if place not in self._scores and self.supernet_context.alive[place]:
                children[place] = None
            elif place not in self._scores:
                self.refused += 1
        return list(children)

    def _ranked(self) -> list[int]:
        return sorted(self._scores, key=lambda place: (self._scores[place], place))

    def _order(self) -> Sequence[int]:
        others = self.rng.permutation(self._alive).tolist()
        return [
            *self._ranked(),
            *(place for place in others if place not in self._scores),
        ]

    def diagnosis(self) -> Mapping[str, Mapping[str, float]]:
        """Return the score of the best cell with inherited weights, and the number of cells
        evaluated with inherited weights.
        """
        numbers = dict(super().diagnosis())
        if self._scores:
            place, *_ = self._ranked()
            score = self._scores[place]
            penalty = float(
                self.supernet_context.penalty.penalty([self.space[place].choices])[0]
            )
            numbers["best by inherited weights"] = {
                "L": score - penalty,
                "λR": penalty,
                "share of λR": penalty / score,
                "cells evaluated": len(self._scores),
            }
        return numbers
