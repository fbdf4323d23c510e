"""The contract of strategies.

All checks run with made-up scores, so no benchmark is needed, on three spaces: NAS-Bench-201's, a
tiny one that a run exhausts, and one of 10^18 cells that can only be sampled.
"""

from __future__ import annotations

import copy
import gc
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import lru_cache
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
    requested,
    synthetic,
    trajectory,
    trials_of,
)
from surrogate_nas.core.errors import shown
from surrogate_nas.objective import Objective
from surrogate_nas.runs.ledger import Ledger
from surrogate_nas.runtime.user_code import pack
from surrogate_nas.space import Cell, Space, nb201
from surrogate_nas.space.trial import Request, Trial
from surrogate_nas.strategies import Strategy, resolve
from surrogate_nas.tables import TableFile

_SHORT = 30
_WHOLE = 60
_LARGEST_SEED = 2**63 - 1
_EPOCHS = (1, 3, 9)
_READABLE = ("early", "late")
FORBIDDEN = (Benchmark, Objective, Ledger, TableFile)
"""What a strategy may not hold: whatever knows an answer."""


@lru_cache(maxsize=4)
def _whole_run(strategy: type[Strategy], space: Space) -> list[Cell]:
    return trajectory(strategy, space, seed=0, n=_WHOLE)


def _half_infeasible(cell: Cell) -> float:
    return synthetic(cell) + INFEASIBLE * (sum(cell.choices) % 2)


def _all_infeasible(cell: Cell) -> float:
    return synthetic(cell) + INFEASIBLE


class StrategyContract(Contract):
    """Checks of a strategy.

    Attributes:
        strategy: The class under check: a subclass of `surrogate_nas.Strategy`.
        space: The only space to check it on; None for three.
        spec: The strategy as another process finds it; None for the class.
    """

    strategy: type[Strategy]
    spec: object = None

    def spaces(self) -> Sequence[Space]:
        """NAS-Bench-201's, a tiny and a large one."""
        return [nb201(), TinySpace(), LargeSpace()] if self.space is None else [self.space]

    def _instance(self, space: Space, seed: int = 0) -> Strategy:
        return self.strategy(space, seed=seed)

    def _short(self, space: Space, seed: int = 0, **settings: Any) -> list[Cell]:
        return trajectory(self.strategy, space, seed=seed, n=_SHORT, **settings)

    def test_takes_space_and_seed(self, space: Space) -> None:
        """The constructor takes (space, *, seed) and any seed from 0 to 2**63 - 1."""
        for seed in (0, _LARGEST_SEED):
            self._instance(space, seed)

    def test_asks_for_one_to_n_cells(self, space: Space) -> None:
        """`ask(n)` returns 1 to n cells of the space, for n of 1 and 5, untold and told."""
        ask(self._instance(space, _LARGEST_SEED), space, 1)
        for n_observed in (0, FIRST):
            for n in (1, 5):
                strategy = self._instance(space)
                if n_observed:
                    strategy.tell(trials_of(draw(space, n_observed)))
                ask(strategy, space, n)

    def test_learns_from_what_it_is_told(self, space: Space) -> None:
        """It can be told trials that it did not ask for; it can be asked again before it is told
        what it asked for, and is told later in another order.
        """
        rng = np.random.default_rng(2)
        for n_waiting, rounds in ((1, 3), (5, 4)):
            strategy = self._instance(space)
            start = 0
            for number in range(rounds):
                if n_waiting == 1 or number == 0:
                    foreign = [space.sample(rng) for _ in range(FIRST)]
                    strategy.tell(trials_of(foreign, start=start))
                    start += FIRST
                waiting = [c for _ in range(n_waiting) for c in ask(strategy, space, 1)]
                for cell in reversed(waiting):
                    strategy.tell(trials_of([cell], start=start))
                    start += 1

    def test_makes_whole_runs(self, space: Space) -> None:
        """It makes a whole run of 60 cells, or one of 30 where it is told no first cells, and never
        asks for a foreign one.
        """
        _whole_run(self.strategy, space)
        self._short(space, first=0)

    def test_repeats_in_this_process(self, space: Space) -> None:
        """The same seed and the same told trials give the same cells again in this process."""
        run, again = _whole_run(self.strategy, space)[:_SHORT], self._short(space)
        _check_same(
            run,
            again,
            "two runs with seed 0 differ: draw from self.rng alone, and keep what is learned in"
            " self, since the class and the module outlive a run",
        )

    def test_repeats_in_a_fresh_process(self, space: Space) -> None:
        """The same seed and the same told trials give the same cells in a fresh process with
        another hash seed.
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
        assert not again.returncode, "a fresh process failed to make a run"
        _check_same(
            texts,
            json.loads(again.stdout.splitlines()[-1]),
            "a fresh process asked for other cells: sort before choosing from a set, and use"
            " neither hash() nor id(), which differ between processes",
        )

    def test_heeds_its_seed(self, space: Space) -> None:
        """Another seed gives other cells somewhere within the first 30."""
        run = _whole_run(self.strategy, space)[:_SHORT]
        # one that weighs all cells of the space leaves nothing to chance after equal first cells
        assert any(self._short(space, seed) != run for seed in (1, 2, 3)) or (
            self._short(space, first=0) != self._short(space, 1, first=0)
        ), (
            "the seeds 0, 1, 2 and 3 gave the same cells: is the seed ignored? Pass the seed on by"
            " super().__init__(space, seed=seed), and draw from self.rng"
        )

    def test_leaves_global_randomness_alone(self, space: Space) -> None:
        """It neither uses nor disturbs the global generators of `random` and NumPy."""
        with no_global_randomness("self.rng"):
            self._short(space)

    def test_holds_no_benchmark(self, space: Space) -> None:
        """It holds no benchmark, objective or evaluator, in itself or in its module."""
        strategy = self._instance(space)
        strategy.tell(trials_of(draw(space, FIRST)))
        strategy.tell(trials_of(ask(strategy, space, 1)))
        module = vars(sys.modules.get(self.strategy.__module__, object))
        attributes = [
            value for kind in self.strategy.__mro__ for value in vars(kind).values()
        ]
        for item in reachable(strategy, *module.values(), *attributes):
            assert not isinstance(item, FORBIDDEN), (
                f"{type(item).__name__} is reachable from it: a strategy only asks and is told"
            )

    def test_leaves_trials_alone(self, space: Space) -> None:
        """It does not change the trials that it is told, nor the list that they come in."""
        strategy = self._instance(space)
        cells = draw(space, FIRST)
        for start in (0, FIRST):
            trials = trials_of(cells, start=start)
            before = copy.deepcopy(trials)
            strategy.tell(trials)
            cells = ask(strategy, space, 5)
            assert trials == before, "told trials were changed"

    def test_survives_any_scores(self, space: Space) -> None:
        """It goes on when all scores are equal, when half of the cells, or all, are infeasible,
        with large finite scores, and when the same cell is told many times.
        """
        for score in (lambda _: 0.0, _half_infeasible, _all_infeasible):
            self._short(space, score=score)
        strategy = self._instance(space)
        (cell,) = draw(space, 1)
        strategy.tell(trials_of([cell] * FIRST))
        for start in range(FIRST, _SHORT, 2):
            strategy.tell(trials_of([*ask(strategy, space, 1), cell], start=start))

    def test_covers_several_objectives(self, space: Space) -> None:
        """Where it declares `many_objectives`, it runs on 2 and on 3 objectives, twice in the same
        way, also when vectors are infeasible, half or all, or all equal.
        """
        if not self.strategy.many_objectives:
            return
        for several in (2, 3):
            run, again = (self._short(space, objectives=several) for _ in range(2))
            _check_same(run, again, f"two runs on {several} objectives differ")
        for score in (_half_infeasible, _all_infeasible, lambda _: 0.0):
            self._short(space, score=score, objectives=2)

    def test_asks_for_given_epochs(self, space: Space) -> None:
        """Where it chooses epochs: of 1, 3 and 9 it asks for no others, and for the last of them
        too; it makes a whole run where there is one number of them only; and, told in the same
        order, it makes the same requests again, also while others wait.
        """
        if not self.strategy.chooses_epochs:
            return
        for n_waiting in (1, 5):
            run, again = (self._climb(space, _EPOCHS, n_waiting) for _ in range(2))
            _check_same(run, again, "two runs with seed 0 differ")
            assert _EPOCHS[-1] in {request.epochs for request in run}, (
                f"of {_WHOLE} requests none was for {_EPOCHS[-1]} epochs, so it has no answer"
            )
        self._climb(space, _EPOCHS[:1])

    def _climb(
        self, space: Space, epochs: Sequence[int], n_waiting: int = 1
    ) -> list[Request]:
        """The requests of a run with seed 0, after initial cells at the last of some epochs."""
        instance = self._instance(space)
        instance.epochs = epochs
        instance.readable = dict.fromkeys(epochs, _READABLE)
        rng = np.random.default_rng(1)
        last = epochs[-1]
        first = [Request(space.sample(rng), last) for _ in range(FIRST)]
        instance.tell([_synthetic(*pair, last) for pair in enumerate(first)])
        requests: list[Request] = []
        while len(requests) < _WHOLE:
            batch = [
                item for _ in range(n_waiting) for item in requested(instance, space, 1)
            ]
            for request in [_request(item, epochs) for item in reversed(batch)]:
                instance.tell([_synthetic(FIRST + len(requests), request, last)])
                requests.append(request)
        return requests


def repeat() -> None:
    """Print the cells of a run, as a fresh process makes it of what is on its standard input."""
    sys.path[:], packed, n = pickle.load(sys.stdin.buffer)
    spec, space = pickle.loads(packed)
    cells = trajectory(resolve(spec), space, seed=0, n=n)
    sys.stdout.write("\n" + json.dumps(list(map(str, cells))))


def _check_same(run: Sequence[object], other: Sequence[object], otherwise: str) -> None:
    pairs = zip(run, other, strict=False)
    index = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(run), len(other)))
    assert run == other, (
        f"{otherwise}; they part at cell {index}: {shown(run[index : index + 1])} and"
        f" {shown(other[index : index + 1])}"
    )


def _request(proposal: Cell | Request, epochs: Sequence[int]) -> Request:
    if isinstance(proposal, Cell):
        return Request(proposal, epochs[-1])
    assert proposal.epochs in epochs, (
        f"it asked for {shown(proposal.epochs)} epochs, not one of {', '.join(map(str, epochs))}"
    )
    assert {*proposal.read} <= {*_READABLE}, (
        f"it asked to read {shown(proposal.read)}; {' and '.join(_READABLE)} are readable"
    )
    return proposal


def _synthetic(index: int, request: Request, last: int) -> Trial:
    cell, epochs, read = request
    missing = (1 - epochs / last) * (sum(cell.choices) % 3) / 10
    score = synthetic(cell) + missing
    values = {
        f"{name}[{epochs}]": score + missing * (name == "late")
        for name in ("made_up", *read)
    }
    return Trial(index, cell, score, score, 0.0, True, epochs, float(epochs), values)


def reachable(*roots: object) -> Iterator[object]:
    """Everything that can be reached from some objects through attributes, containers and closures.

    Spaces, modules, classes and the globals of functions are not entered.
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
