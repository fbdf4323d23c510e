"""Strategies that break the contract, each in its own way; tests name them as
``tests/broken_strategies.py:Class``.
"""

import random
import sys
import time

import numpy as np

import surrogate_nas as sn


class Fine(sn.Strategy):
    """Not broken: random, in batches of seven."""

    batch_size = 7

    def ask(self, n):
        return [self.space.sample(self.rng) for _ in range(n)]


class RaisesWhenMade(Fine):
    def __init__(self, space, *, seed):
        raise RuntimeError("no wish to begin")


class RaisesWhenAsked(Fine):
    def ask(self, n):
        raise LookupError("no idea")


class RaisesWhenTold(Fine):
    def tell(self, trials):
        raise ZeroDivisionError("no thanks")


class Hangs(Fine):
    def ask(self, n):
        while True:
            time.sleep(0.01)


class HangsAndSwallows(Fine):
    """Re-draws until something works, and nothing ever does."""

    def ask(self, n):
        end = time.monotonic() + 20
        while time.monotonic() < end:
            try:
                time.sleep(0.01)
            except Exception:  # noqa: BLE001
                continue
        return super().ask(n)


class AsksForNothing(Fine):
    def ask(self, n):
        return []


class AsksForNone(Fine):
    def ask(self, n):
        return None


class AsksForTooMany(Fine):
    def ask(self, n):
        return super().ask(n + 1)


class AsksForAGenerator(Fine):
    def ask(self, n):
        return (self.space.sample(self.rng) for _ in range(n))


class AsksForAString(Fine):
    def ask(self, n):
        return str(self.space.sample(self.rng))


class AsksForStrings(Fine):
    def ask(self, n):
        return [str(self.space.sample(self.rng))]


class AsksForAForeignCell(Fine):
    def ask(self, n):
        return [sn.Cell((0, 1), "a foreign cell", 0)]


class AsksForAForgedCell(Fine):
    """Of this space by its choices, but not by its text."""

    def ask(self, n):
        return [sn.Cell(self.space[0].choices, "forged", 3)]


class _Unprintable:
    def __repr__(self):
        raise RuntimeError("unprintable")


class AsksForTheUnprintable(Fine):
    def ask(self, n):
        return [_Unprintable()]


class HasAnOddBatchSize(Fine):
    batch_size = "many"


class Exits(Fine):
    def ask(self, n):
        sys.exit(3)


BROKEN = Fine.__subclasses__()


class RaisesLater(Fine):
    def ask(self, n):
        if self.rng.random() < 0.2:
            raise LookupError("no more")
        return super().ask(n)


class EmptiesWhatItIsTold(Fine):
    """Not allowed, but it must not shorten the run or spoil its results."""

    def tell(self, trials):
        for trial in trials:
            trial.values.clear()
        trials.clear()


class UsesGlobalRandomness(Fine):
    def ask(self, n):
        return [random.choice(self.space) for _ in range(n)]


class SeedsGlobalRandomness(Fine):
    def __init__(self, space, *, seed):
        super().__init__(space, seed=seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002


class IgnoresItsSeed(Fine):
    def __init__(self, space, *, seed):
        super().__init__(space, seed=0)


class UsesTheClock(Fine):
    def __init__(self, space, *, seed):
        super().__init__(space, seed=time.time_ns())


class ReliesOnSetOrder(Fine):
    def ask(self, n):
        return list(set(self.space[:50]))[:n]


class HoldsABenchmark(Fine):
    def __init__(self, space, *, seed):
        super().__init__(space, seed=seed)
        bench = sn.load("analog-cifar10")
        self.hidden = {"deep": [lambda: bench]}


class TakesNoLargeSeed(Fine):
    def __init__(self, space, *, seed):
        super().__init__(space, seed=seed)
        np.random.RandomState(seed)


class KnowsOneSpaceOnly(Fine):
    def ask(self, n):
        return [sn.nb201()[0]]


class DividesByTheSpread(Fine):
    def tell(self, trials):
        scores = [trial.score for trial in trials]
        self.spread = 1.0 / (max(scores) - min(scores))


class NeedsFirstCells(Fine):
    best = None

    def ask(self, n):
        return [self.space.mutate(self.best.cell, self.rng)]

    def tell(self, trials):
        self.best = min(trials, key=lambda trial: trial.score)


class MindsDuplicates(Fine):
    def tell(self, trials):
        self.known = getattr(self, "known", set())
        for trial in trials:
            if trial.cell in self.known:
                raise ValueError("seen before")
            self.known.add(trial.cell)


class BoundsScores(Fine):
    def tell(self, trials):
        assert all(trial.score < 1000 for trial in trials)


class ChoosesEpochs(Fine):
    chooses_epochs = True

    def ask(self, n):
        (cell,) = super().ask(1)
        return [sn.Request(cell, self.chosen())] if self.epochs else [cell]


class AsksForOtherEpochs(ChoosesEpochs):
    def chosen(self):
        return 2


class NeverTrainsToTheEnd(ChoosesEpochs):
    def chosen(self):
        return self.epochs[0]


class NeedsTwoRungs(ChoosesEpochs):
    def chosen(self):
        return self.epochs[1 if self.rng.random() < 0.5 else 0]


CAUGHT_BY = {
    RaisesWhenMade: "constructor",
    AsksForTooMany: "1 to n cells",
    AsksForAForeignCell: "proposes only cells of the space",
    RaisesWhenTold: "did not propose",
    EmptiesWhatItIsTold: "changes neither the trials",
    UsesGlobalRandomness: "does not use the global generators",
    SeedsGlobalRandomness: "does not use the global generators",
    IgnoresItsSeed: "Another seed",
    UsesTheClock: "in this process",
    ReliesOnSetOrder: "in a new process",
    HoldsABenchmark: "references no benchmark",
    TakesNoLargeSeed: "any seed",
    KnowsOneSpaceOnly: "1 to n cells",
    DividesByTheSpread: "all scores are equal",
    NeedsFirstCells: "without initial cells",
    MindsDuplicates: "repeated results of a cell",
    BoundsScores: "infeasible",
    AsksForOtherEpochs: "requests only the available ones",
    NeverTrainsToTheEnd: "including the last",
    NeedsTwoRungs: "only one number of epochs is available",
}
"""Which check of the contract must catch each."""
