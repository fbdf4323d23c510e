"""The contract that every strategy must fulfil, as a class of checks.

All checks of strategies use synthetic scores, so no benchmark is needed. The checks run on three
spaces: the space of NAS-Bench-201, a tiny space that a run exhausts, and a space of 10^18 cells
that can only be sampled.
"""

import gc
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import lru_cache, partial
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from surrogate_nas.benchmarks import Benchmark
from surrogate_nas.contract.checks import (
    FIRST,
    INFEASIBLE,
    Contract,
    LargeSpace,
    TinySpace,
    ask,
    draw,
    no_global_randomness,
    synthetic,
    trajectory,
    trials_of,
)
from surrogate_nas.core import shown
from surrogate_nas.objective import Objective
from surrogate_nas.runs.ledger import Ledger
from surrogate_nas.runtime.user_code import pack
from surrogate_nas.space import Cell, Space, nb201
from surrogate_nas.strategies import Strategy, resolve
from surrogate_nas.tables import TableFile

_SHORT = 30
_WHOLE = 60
_LARGEST_SEED = 2**63 - 1
_EPOCHS = (1, 3, 9)
FORBIDDEN = (Benchmark, Objective, Ledger, TableFile)
"""Types that a strategy must not reference, because they know evaluation results."""


@lru_cache(maxsize=4)
def _whole_run(strategy: type[Strategy], space: Space) -> list[Cell]:
    return trajectory(strategy, space, seed=0, n=_WHOLE)


def _half_infeasible(cell: Cell) -> float:
    return synthetic(cell) + INFEASIBLE * (sum(cell.choices) % 2)


def _all_infeasible(cell: Cell) -> float:
    return synthetic(cell) + INFEASIBLE


class StrategyContract(Contract):
    """The checks that every strategy must pass.

    Attributes:
        strategy: The class under check: a subclass of `surrogate_nas.Strategy`.
        space: The only space on which to check the strategy, or None for three spaces.
        spec: The strategy in a form that another process can load, or None for the class.

    Example:
        >>> import surrogate_nas as sn
        >>> class Mine(sn.Strategy):
        ...     def ask(self, n):
        ...         return [self.space.sample(self.rng) for _ in range(n)]
        >>> class TestMine(sn.StrategyContract):  # pytest runs the checks
        ...     strategy = Mine
        >>> len(dict(TestMine().checks())) > 5
        True
    """

    strategy: type[Strategy]
    spec: object = None

    def spaces(self) -> Sequence[Space]:
        """Return the given space, or three spaces: NAS-Bench-201, `TinySpace` and `LargeSpace`."""
        return (
            [nb201(), TinySpace(), LargeSpace()] if self.space is None else [self.space]
        )

    def _instance(self, space: Space, seed: int = 0) -> Strategy:
        return self.strategy(space, seed=seed)

    def _short(self, space: Space, seed: int = 0, **settings: Any) -> list[Cell]:
        return trajectory(self.strategy, space, seed=seed, n=_SHORT, **settings)

    def test_takes_space_and_seed(self, space: Space) -> None:
        """The constructor takes ``(space, *, seed)`` and any seed from 0 to 2**63 - 1."""
        for seed in (0, _LARGEST_SEED):
            self._instance(space, seed)

    def test_asks_for_one_to_n_cells(self, space: Space) -> None:
        """`ask(n)` returns 1 to n cells of the space for n of 1 and 5, before and after `tell`."""
        ask(self._instance(space, _LARGEST_SEED), space, 1)
        for n_observed in (0, FIRST):
            for n in (1, 5):
                strategy = self._instance(space)
                if n_observed:
                    strategy.tell(trials_of(draw(space, n_observed)))
                ask(strategy, space, n)

    def test_makes_whole_runs(self, space: Space) -> None:
        """The strategy makes a whole run of 60 cells and proposes only cells of the space. The
        strategy also makes a run of 30 cells without initial cells, with up to five calls of `ask`
        before results arrive in another order, and with repeated results of a cell that it did not
        propose. `tell` changes neither the trials nor their list.
        """
        _whole_run(self.strategy, space)
        self._short(space, first=0)
        for n_waiting in (1, 5):
            self._short(space, n_waiting=n_waiting)

    def test_repeats_in_this_process(self, space: Space) -> None:
        """The same seed and the same trials give the same cells in this process."""
        run, again = _whole_run(self.strategy, space)[:_SHORT], self._short(space)
        _check_same(
            run,
            again,
            "two runs with seed 0 differ: use only self.rng for randomness, and store what is"
            " learned in self, because the class and the module outlive a run",
        )

    def test_repeats_in_a_fresh_process(self, space: Space) -> None:
        """The same seed and the same trials give the same cells in a new process with another hash
        seed.
        """
        texts = list(map(str, _whole_run(self.strategy, space)[:_SHORT]))
        path = {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHASHSEED": "7"}
        again = subprocess.run(
            [sys.executable, "-c", f"import {__name__} as contract; contract.repeat()"],
            input=pickle.dumps(
                (sys.path, pack(self.spec or self.strategy, space), len(texts))
            ),
            capture_output=True,
            env={**os.environ, **path},
            check=False,
        )
        assert not again.returncode, "a new process failed to make a run"
        _check_same(
            texts,
            json.loads(again.stdout.splitlines()[-1]),
            "a new process proposed other cells: sort before choosing from a set, and avoid hash()"
            " and id(), which differ between processes",
        )

    def test_heeds_its_seed(self, space: Space) -> None:
        """Another seed gives other cells within the first 30."""
        run = _whole_run(self.strategy, space)[:_SHORT]
        # one that weighs all cells of the space leaves nothing to chance after equal first cells
        assert any(self._short(space, seed) != run for seed in (1, 2, 3)) or (
            self._short(space, first=0) != self._short(space, 1, first=0)
        ), (
            "the seeds 0, 1, 2 and 3 gave the same cells, so the seed seems to be ignored: call"
            " super().__init__(space, seed=seed), and use self.rng"
        )

    def test_leaves_global_randomness_alone(self, space: Space) -> None:
        """The strategy does not use the global generators of `random` and NumPy."""
        with no_global_randomness("self.rng"):
            self._short(space)

    def test_holds_no_benchmark(self, space: Space) -> None:
        """The strategy references no benchmark, objective or ledger, in itself or in its module."""
        strategy = self._instance(space)
        strategy.tell(trials_of(draw(space, FIRST)))
        strategy.tell(trials_of(ask(strategy, space, 1)))
        module = vars(sys.modules.get(self.strategy.__module__, object))
        attributes = [
            value for kind in self.strategy.__mro__ for value in vars(kind).values()
        ]
        for item in reachable(strategy, *module.values(), *attributes):
            assert not isinstance(item, FORBIDDEN), (
                f"{type(item).__name__} is reachable from the strategy, which may only use ask"
                " and tell"
            )

    def test_survives_any_scores(self, space: Space) -> None:
        """The strategy works when all scores are equal, when half of the cells or all are
        infeasible, and with large finite scores. A strategy that declares `many_objectives` also
        works with 2 and 3 objectives, reproducibly.
        """
        for several in (1, 2, 3) if self.strategy.many_objectives else (1,):
            for score in (lambda _: 0.0, _half_infeasible, _all_infeasible):
                self._short(space, score=score, objectives=several)
            if several > 1:
                run, again = (self._short(space, objectives=several) for _ in range(2))
                _check_same(run, again, f"two runs on {several} objectives differ")

    def test_asks_for_given_epochs(self, space: Space) -> None:
        """If the strategy chooses epochs, it requests only the available ones (1, 3 and 9),
        including the last. A strategy that chooses epochs also makes a whole run if only one number
        of epochs is available. The requests are reproducible, also while other requests are
        pending.
        """
        if not self.strategy.chooses_epochs:
            return
        run = partial(trajectory, self.strategy, space, seed=0, n=_WHOLE + FIRST)
        for n_waiting in (1, 5):
            requests, again = (
                run(epochs=_EPOCHS, n_waiting=n_waiting) for _ in range(2)
            )
            _check_same(requests, again, "two runs with seed 0 differ")
            assert _EPOCHS[-1] in {request.epochs for request in requests[FIRST:]}, (
                f"none of {_WHOLE} requests was for {_EPOCHS[-1]} epochs, so the run has no answer"
            )
        run(epochs=_EPOCHS[:1], n_waiting=1)


def repeat() -> None:
    """Read a strategy from standard input, run it, and print the cells of the run (in a new
    process).
    """
    sys.path[:], packed, n = pickle.load(sys.stdin.buffer)
    spec, space = pickle.loads(packed)
    cells = trajectory(resolve(spec), space, seed=0, n=n)
    sys.stdout.write("\n" + json.dumps(list(map(str, cells))))


def _check_same(run: Sequence[object], other: Sequence[object], otherwise: str) -> None:
    pairs = zip(run, other, strict=False)
    index = next(
        (i for i, (a, b) in enumerate(pairs) if a != b), min(len(run), len(other))
    )
    assert run == other, (
        f"{otherwise}; the first difference is cell {index}: {shown(run[index : index + 1])} and"
        f" {shown(other[index : index + 1])}"
    )


def reachable(*roots: object) -> Iterator[object]:
    """Yield everything that is reachable from objects through attributes, containers and closures.

    Spaces, modules, classes and the globals of functions are not followed.
    """
    visited: dict[int, object] = {}
    waiting = list(roots)
    while waiting:
        item = waiting.pop()
        if id(item) in visited or isinstance(
            item, (type, ModuleType, str, bytes, int, float, np.ndarray)
        ):
            continue
        visited[id(item)] = item
        yield item
        if isinstance(item, FunctionType):
            waiting += [item.__closure__, item.__defaults__, item.__kwdefaults__]
        elif not isinstance(item, Space):
            waiting += gc.get_referents(item)
