"""The contract of strategies.

All checks run with made-up scores, so no benchmark is needed, on three spaces: NAS-Bench-201's, a
tiny one that a run exhausts, and one of 10^18 cells that can only be sampled. A strategy that
trains a supernet does so on sixteen digits, for NAS-Bench-201's space alone.
"""

from __future__ import annotations

import copy
import json
import os
import pickle
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import FunctionType, MethodType, ModuleType

import numpy as np

from surrogate_nas.benchmarks import Benchmark
from surrogate_nas.contract.checks import LIMIT_SECONDS, BrokenContractError
from surrogate_nas.contract.toy import equipped
from surrogate_nas.contract.trying import (
    FIRST,
    INFEASIBLE,
    LargeSpace,
    TinySpace,
    ask,
    differing,
    draw,
    no_global_randomness,
    requested,
    synthetic,
    trajectory,
    trials_of,
)
from surrogate_nas.objective import Objective
from surrogate_nas.runtime.child import Child
from surrogate_nas.runtime.failure import shown
from surrogate_nas.runtime.packing import Packed, pack
from surrogate_nas.space import Cell, Space, nb201
from surrogate_nas.space.trial import Request, Trial
from surrogate_nas.strategies import Strategy
from surrogate_nas.study.ledger import Ledger
from surrogate_nas.tables import TableFile

_SHORT = 30
_WHOLE = 60
"""How many cells the runs have that are compared, and the whole run."""
_LARGEST_SEED = 2**63 - 1
_EPOCHS = (1, 3, 9)
_READABLE = ("early", "late")
"""The names of what a request may read."""
_SIDE_BY_SIDE = 5
_DOES_NOT = "it does not choose epochs"
FORBIDDEN = (Benchmark, Objective, Ledger, TableFile)
"""What a strategy may not hold: whatever knows an answer."""


@dataclass
class Strategies:
    """A strategy under check, on one space.

    Attributes:
        strategy: Its class.
        packed: The class and the space as a fresh process finds them.
        space: The space.
    """

    strategy: type[Strategy]
    packed: tuple[Packed, Packed]
    space: Space

    @cached_property
    def run(self) -> list[Cell]:
        """The whole run with seed 0, which several checks compare with."""
        return trajectory(
            self.strategy,
            self.space,
            seed=0,
            n=_WHOLE,
        )


def subjects(
    strategy: type[Strategy],
    packed: Packed,
    space: Space | None,
) -> list[Strategies]:
    """The strategy on every space that it is checked on."""
    spaces: Sequence[Space] = [nb201(), TinySpace(), LargeSpace()] if space is None else [space]
    if strategy.needs_supernet:  # whose supernet is of this space
        spaces = [nb201()]
    return [Strategies(equipped(strategy), (packed, pack(where)), where) for where in spaces]


def _takes_space_and_seed(subject: Strategies) -> str:
    """The constructor takes (space, *, seed) and any seed from 0 to 2**63 - 1."""
    for seed in (0, _LARGEST_SEED):
        subject.strategy(subject.space, seed=seed)
    return f"made with the seeds 0 and {_LARGEST_SEED}"


def _asks_for_one_to_n_cells(subject: Strategies) -> str:
    """`ask(n)` returns 1 to n cells of the space, for n of 1 and 5, untold and told."""
    seen = []
    ask(subject.strategy(subject.space, seed=_LARGEST_SEED), subject.space, 1)
    for n_observed in (0, FIRST):
        for n in (1, 5):
            strategy = subject.strategy(subject.space, seed=0)
            if n_observed:
                strategy.tell(trials_of(draw(subject.space, n_observed)))
            seen.append(str(len(ask(strategy, subject.space, n))))
    return f"returned {', '.join(seen)} cells"


def _learns_from_what_it_did_not_ask_for(subject: Strategies) -> str:
    """It can be told trials that it did not ask for, before its first question and between
    others.
    """
    strategy = subject.strategy(subject.space, seed=0)
    rng = np.random.default_rng(2)
    n_observed = 0
    for _ in range(3):
        cells = [subject.space.sample(rng) for _ in range(FIRST)]
        strategy.tell(trials_of(cells, start=n_observed))
        n_observed += len(cells)
        asked = ask(strategy, subject.space, 1)
        strategy.tell(trials_of(asked, start=n_observed))
        n_observed += len(asked)
    return f"told {n_observed} trials, of which it asked for 3"


def _runs_without_observations(subject: Strategies) -> str:
    """It works when it is told no first cells."""
    cells = trajectory(
        subject.strategy,
        subject.space,
        seed=0,
        n=_SHORT,
        first=0,
    )
    return f"asked for {len(cells)} cells"


def _makes_a_whole_run(subject: Strategies) -> str:
    """It makes a whole run of 60 cells and never asks for a foreign one."""
    return f"{len(set(subject.run))} of {len(subject.run)} cells were different"


def _repeats_in_this_process(subject: Strategies) -> str:
    """The same seed and the same told trials give the same cells again in this process."""
    again = trajectory(
        subject.strategy,
        subject.space,
        seed=0,
        n=_SHORT,
    )
    if again != subject.run[:_SHORT]:
        raise BrokenContractError(
            f"two runs with seed 0 differ; {differing(subject.run, again)}",
            "draw from self.rng alone, and keep what is learned in self: the class and the module"
            " outlive a run.",
        )
    return f"{_SHORT} cells were the same"


def _repeats_in_a_fresh_process(subject: Strategies) -> str:
    """The same seed and the same told trials give the same cells in a fresh process with another
    hash seed.
    """
    here = [str(cell) for cell in subject.run[:_SHORT]]
    there = _repeated(subject, _SHORT)
    if here != there:
        raise BrokenContractError(
            f"a fresh process asked for other cells; {differing(here, there)}",
            "sort before choosing from a set, and use neither hash() nor id(): both differ between"
            " processes.",
        )
    return f"{_SHORT} cells were the same"


def _heeds_its_seed(subject: Strategies) -> str:
    """Another seed gives other cells somewhere within the first 30."""
    for seed in (1, 2, 3):
        if (
            trajectory(
                subject.strategy,
                subject.space,
                seed=seed,
                n=_SHORT,
            )
            != subject.run[:_SHORT]
        ):
            return f"the seeds 0 and {seed} differ"
    zero, one = (
        trajectory(
            subject.strategy,
            subject.space,
            seed=seed,
            n=_SHORT,
            first=0,
        )
        for seed in (0, 1)
    )
    # it weighs all cells of the space, so after equal first cells nothing is left to chance
    if zero != one:
        return "the seeds 0 and 1 differ where the first cells are its own"
    raise BrokenContractError(
        "the seeds 0, 1, 2 and 3 gave the same cells: is the seed ignored?",
        "pass the seed on by super().__init__(space, seed=seed), and draw from self.rng.",
    )


def _leaves_global_randomness_alone(subject: Strategies) -> str:
    """It neither uses nor disturbs the global generators of `random` and NumPy."""
    with no_global_randomness("self.rng"):
        trajectory(
            subject.strategy,
            subject.space,
            seed=0,
            n=_SHORT,
        )
    return "both states are as before"


def _holds_no_benchmark(subject: Strategies) -> str:
    """It holds no benchmark, objective or evaluator, in itself or in its module."""
    strategy = subject.strategy(subject.space, seed=0)
    strategy.tell(trials_of(draw(subject.space, FIRST)))
    strategy.tell(trials_of(ask(strategy, subject.space, 1)))
    module = vars(sys.modules.get(subject.strategy.__module__, object))
    attributes = [value for kind in subject.strategy.__mro__ for value in vars(kind).values()]
    for thing in reachable(strategy, *module.values(), *attributes):
        if isinstance(thing, FORBIDDEN):
            raise BrokenContractError(
                f"{type(thing).__name__} is reachable from it: a strategy only asks and is told"
            )
    return "none is reachable"


def _leaves_trials_alone(subject: Strategies) -> str:
    """It does not change the trials that it is told, nor the list that they come in."""
    strategy = subject.strategy(subject.space, seed=0)
    cells = draw(subject.space, FIRST)
    for start in (0, FIRST):
        trials = trials_of(cells, start=start)
        before = copy.deepcopy(trials)
        strategy.tell(trials)
        cells = ask(strategy, subject.space, 5)
        if trials != before:
            raise BrokenContractError("told trials were changed")
    return "unchanged after two rounds"


def _can_be_asked_while_trials_wait(subject: Strategies) -> str:
    """It can be asked again before it is told what it asked for, and is told later in another
    order.
    """
    strategy = subject.strategy(subject.space, seed=0)
    strategy.tell(trials_of(draw(subject.space, FIRST)))
    n_observed = FIRST
    for _ in range(4):
        waiting = [cell for _ in range(5) for cell in ask(strategy, subject.space, 1)]
        for cell in reversed(waiting):
            strategy.tell(trials_of([cell], start=n_observed))
            n_observed += 1
    return f"told {n_observed} trials, of which up to 5 were waited for"


def _survives_equal_scores(subject: Strategies) -> str:
    """It goes on when all scores are equal."""
    return (
        f"{len(trajectory(subject.strategy, subject.space, seed=0, n=_SHORT, score=lambda _: 0.0))}"
        " cells"
    )


def _survives_infeasible_cells(subject: Strategies) -> str:
    """It goes on when half of the cells, or all, are infeasible, with large finite scores."""

    def half(cell: Cell) -> float:
        return synthetic(cell) + INFEASIBLE * (sum(cell.choices) % 2)

    trajectory(
        subject.strategy,
        subject.space,
        seed=0,
        n=_SHORT,
        score=half,
    )
    trajectory(
        subject.strategy,
        subject.space,
        seed=0,
        n=_SHORT,
        score=lambda cell: synthetic(cell) + INFEASIBLE,
    )
    return f"two runs of {_SHORT} cells"


def _survives_duplicates(subject: Strategies) -> str:
    """It goes on when the same cell is told many times."""
    strategy = subject.strategy(subject.space, seed=0)
    (cell,) = draw(subject.space, 1)
    strategy.tell(trials_of([cell] * FIRST))
    for start in range(FIRST, _SHORT, 2):
        strategy.tell(trials_of([*ask(strategy, subject.space, 1), cell], start=start))
    return f"told one cell {FIRST + (_SHORT - FIRST) // 2} times"


def _covers_several_objectives(subject: Strategies) -> str:
    """Where it declares `many_objectives`, it runs on 2 and on 3 objectives, twice in the same
    way.
    """
    if not subject.strategy.many_objectives:
        return "it does not declare them"
    for several in (2, 3):
        run, again = (
            trajectory(
                subject.strategy,
                subject.space,
                seed=0,
                n=_SHORT,
                objectives=several,
            )
            for _ in range(2)
        )
        if run != again:
            raise BrokenContractError(
                f"two runs on {several} objectives differ; {differing(run, again)}"
            )
    return f"runs of {_SHORT} cells on 2 and 3 objectives"


def _survives_infeasible_vectors(subject: Strategies) -> str:
    """Where it declares `many_objectives`, it goes on when vectors are infeasible, half or all, or
    all equal.
    """
    if not subject.strategy.many_objectives:
        return "it does not declare them"

    def half(cell: Cell) -> float:
        return synthetic(cell) + INFEASIBLE * (sum(cell.choices) % 2)

    for score in (half, lambda cell: synthetic(cell) + INFEASIBLE, lambda _: 0.0):
        trajectory(
            subject.strategy,
            subject.space,
            seed=0,
            n=_SHORT,
            score=score,
            objectives=2,
        )
    return f"three runs of {_SHORT} cells"


def _asks_for_given_epochs(subject: Strategies) -> str:
    """Where it chooses epochs: of 1, 3 and 9 it asks for no others, and for the last of them
    too.
    """
    if not subject.strategy.chooses_epochs:
        return _DOES_NOT
    asked = [request.epochs for request in _climb(subject.strategy, subject.space, _EPOCHS)]
    if _EPOCHS[-1] not in asked:
        raise BrokenContractError(
            f"of {_WHOLE} requests none was for {_EPOCHS[-1]} epochs, so it has no answer"
        )
    return ", ".join(f"{asked.count(epochs)} after {epochs}" for epochs in _EPOCHS)


def _works_with_one_number_of_epochs(subject: Strategies) -> str:
    """Where it chooses epochs: it makes a whole run where there is one number of them only."""
    if not subject.strategy.chooses_epochs:
        return _DOES_NOT
    return f"asked for {len(_climb(subject.strategy, subject.space, _EPOCHS[:1]))} cells"


def _repeats_its_requests(subject: Strategies) -> str:
    """Where it chooses epochs: told in the same order, it makes the same requests again, also while
    others wait.
    """
    if not subject.strategy.chooses_epochs:
        return _DOES_NOT
    for n_waiting in (1, _SIDE_BY_SIDE):
        one, other = (
            _climb(subject.strategy, subject.space, _EPOCHS, n_waiting=n_waiting) for _ in range(2)
        )
        if one != other:
            raise BrokenContractError(f"two runs with seed 0 differ; {differing(one, other)}")
    return f"{2 * _WHOLE} requests were the same"


CHECKS: tuple[Callable[[Strategies], str], ...] = (
    _takes_space_and_seed,
    _asks_for_one_to_n_cells,
    _learns_from_what_it_did_not_ask_for,
    _runs_without_observations,
    _makes_a_whole_run,
    _repeats_in_this_process,
    _repeats_in_a_fresh_process,
    _heeds_its_seed,
    _leaves_global_randomness_alone,
    _holds_no_benchmark,
    _leaves_trials_alone,
    _can_be_asked_while_trials_wait,
    _survives_equal_scores,
    _survives_infeasible_cells,
    _survives_duplicates,
    _covers_several_objectives,
    _survives_infeasible_vectors,
    _asks_for_given_epochs,
    _works_with_one_number_of_epochs,
    _repeats_its_requests,
)
"""Every check; the docstring is the promise."""


def _climb(
    strategy: type[Strategy],
    space: Space,
    epochs: Sequence[int],
    *,
    n_waiting: int = 1,
) -> list[Request]:
    """Run a strategy with seed 0 on given epochs, after initial cells at the last of them.

    Returns:
        All requests, without the first cells.

    Raises:
        BrokenContractError: It asked for what is not given.
    """
    instance = strategy(space, seed=0)
    instance.epochs = epochs
    instance.readable = dict.fromkeys(epochs, _READABLE)
    rng = np.random.default_rng(1)
    instance.tell(
        [_synthetic(i, Request(space.sample(rng), epochs[-1]), epochs[-1]) for i in range(FIRST)]
    )
    asked: list[Request] = []
    while len(asked) < _WHOLE:
        waiting = [
            _request(one, epochs) for _ in range(n_waiting) for one in requested(instance, space, 1)
        ]
        for request in reversed(waiting):
            instance.tell([_synthetic(FIRST + len(asked), request, epochs[-1])])
            asked.append(request)
    return asked


def _request(asked: Cell | Request, epochs: Sequence[int]) -> Request:
    if isinstance(asked, Cell):
        return Request(asked, epochs[-1])
    if asked.epochs not in epochs:
        raise BrokenContractError(
            f"it asked for {shown(asked.epochs)} epochs, not one of {', '.join(map(str, epochs))}"
        )
    if not set(asked.read) <= set(_READABLE):
        raise BrokenContractError(
            f"it asked to read {shown(asked.read)}; {' and '.join(_READABLE)} are readable"
        )
    return asked


def _synthetic(index: int, request: Request, last: int) -> Trial:
    cell, epochs, read = request
    missing = (1 - epochs / last) * (sum(cell.choices) % 3) / 10
    score = synthetic(cell) + missing
    values = {
        f"{name}[{epochs}]": score + missing * (name == "late") for name in ("made_up", *read)
    }
    return Trial(index, cell, score, score, 0.0, True, epochs, float(epochs), values)


def _repeated(subject: Strategies, n: int) -> list[str]:
    """The cells of a run with seed 0 in a fresh process, whose hash seed is another."""
    other = "7" if os.environ.get("PYTHONHASHSEED") != "7" else "8"
    child = Child("surrogate_nas.contract.trying:repeat", variables={"PYTHONHASHSEED": other})
    try:
        child.link.send(pickle.dumps((*subject.packed, n)))
        failed, cells_or_error = json.loads(child.link.receive(time.monotonic() + LIMIT_SECONDS))
    except (EOFError, OSError) as error:
        slow = isinstance(error, TimeoutError)
        how = f"takes more than {LIMIT_SECONDS:g} s" if slow else child.ended()
        raise BrokenContractError(f"a fresh process {how}") from error
    finally:
        child.process.kill()
        child.end()
    if failed:
        raise BrokenContractError(f"a fresh process failed: {cells_or_error}")
    return list(map(str, cells_or_error))


def reachable(*roots: object) -> Iterator[object]:
    """Everything that can be reached from some objects through attributes, containers and closures.

    Spaces, modules, classes and the globals of functions are not entered.
    """
    seen: dict[int, object] = {}
    waiting = list(roots)
    while waiting:
        this = waiting.pop()
        if id(this) in seen or isinstance(
            this, (type, ModuleType, str, bytes, int, float, np.ndarray)
        ):
            continue
        seen[id(this)] = this
        yield this
        if isinstance(this, Space):
            continue
        if isinstance(this, Mapping):
            waiting += [*this.keys(), *this.values()]
        elif isinstance(this, (list, tuple, set, frozenset)) or type(this).__name__ == "deque":
            waiting += list(this)  # type: ignore[call-overload]
        elif isinstance(this, FunctionType):
            waiting += [cell.cell_contents for cell in this.__closure__ or ()]
            waiting += [*(this.__defaults__ or ()), *(this.__kwdefaults__ or {}).values()]
        elif isinstance(this, MethodType):
            waiting += [this.__self__, this.__func__]
        else:
            waiting += _attributes(this)


def _attributes(owner: object) -> list[object]:
    slots = [
        name
        for kind in type(owner).__mro__
        for name in np.atleast_1d(getattr(kind, "__slots__", ()))
    ]
    slot_values = [getattr(owner, str(name)) for name in slots if hasattr(owner, str(name))]
    return slot_values + list(getattr(owner, "__dict__", {}).values())
