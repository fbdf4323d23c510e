"""The contract of strategies, checked on anybody's: what ``snas check FILE.py:Class`` and the project's tests run.

Each check is a function whose docstring says what a strategy promises. All run on NAS-Bench-201's space and on a tiny
space of another shape, which a run exhausts, with scores that are made up here, so that no benchmark is needed.
"""

from __future__ import annotations

import copy
import json
import os
import pickle
import random
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import FunctionType, MethodType, ModuleType

import numpy as np

from surrogate_nas.benchmarks import Benchmark
from surrogate_nas.errors import UserError
from surrogate_nas.experiment.guard import Alarm, TimeLimitError, shown
from surrogate_nas.experiment.ledger import Ledger
from surrogate_nas.objective import Objective
from surrogate_nas.space import Cell, Enumerable, EnumerableChoiceSpace, Space, nb201
from surrogate_nas.strategies import Strategy, resolve
from surrogate_nas.table import TableFile
from surrogate_nas.trial import Request, Trial

LIMIT_SECONDS = 120.0
"""The longest that one check may take."""
_FIRST, _SHORT, _WHOLE = 10, 30, 60
"""How many cells are told first; cells of the runs that are compared; cells of the whole run."""
_LARGEST_SEED = 2**63 - 1
_INFEASIBLE = 1e6
_FORBIDDEN = (Benchmark, Objective, Ledger, TableFile)
Score = Callable[[Cell], float]


@dataclass(frozen=True)
class Check:
    """The outcome of one check on one space.

    Attributes:
        name: What the strategy promises, and the space it was checked on.
        passed: Whether it holds.
        detail: What was seen; where it does not hold, what went wrong.
    """

    name: str
    passed: bool
    detail: str


class BrokenContractError(Exception):
    """A strategy does not keep a promise; the message says how."""


class TinySpace(EnumerableChoiceSpace):
    """Three positions of two, three and four options: 24 cells, printed as ``left-blue-2``."""

    name = "tiny"
    positions = ("side", "colour", "number")
    options = (("left", "right"), ("red", "green", "blue"), ("0", "1", "2", "3"))

    def write(self, choices: tuple[int, ...]) -> str:
        """Print a cell as ``left-blue-2``.

        Args:
            choices: One option index per position.
        """
        return "-".join(options[choice] for options, choice in zip(self.options, choices, strict=True))

    def parse(self, text: str) -> Cell:
        """Read a string such as ``left-blue-2``.

        Args:
            text: The string.

        Raises:
            UserError: It names no cell.
        """
        for cell in self:
            if cell.text == text:
                return cell
        raise UserError(f"{text!r} is not a cell of the space {self.name}.")


def check_strategy(strategy: type[Strategy] | str, space: Enumerable | None = None) -> list[Check]:
    """Check a strategy against the contract.

    Args:
        strategy: A registered name, ``file.py:Class``, or a class.
        space: The space to check it on; None for NAS-Bench-201's and a tiny one of another shape.

    Returns:
        One `Check` for every promise and space.

    Raises:
        UserError: There is no such strategy.
    """
    found = resolve(strategy)
    reference = strategy if isinstance(strategy, str) else _reference(found)
    spaces: list[Enumerable] = [nb201(), TinySpace()] if space is None else [space]
    return [_run(check, _Subject(found, reference, where)) for where in spaces for check in CHECKS]


def _reference(strategy: type[Strategy]) -> type[Strategy] | str:
    """What a fresh process can find the class by: itself, or its file where that is not importable by name."""
    file = getattr(sys.modules.get(strategy.__module__), "__file__", None)
    if file and (strategy.__module__ == "__main__" or strategy.__module__.startswith("_strategy_")):
        return f"{file}:{strategy.__name__}"
    return strategy


def _run(check: Callable[[_Subject], str], subject: _Subject) -> Check:
    promise = " ".join((check.__doc__ or check.__name__).split()).rstrip(".")
    name = f"{promise} [{subject.space.name}]"
    with Alarm() as alarm:
        alarm.set(LIMIT_SECONDS)
        try:
            return Check(name, True, check(subject))
        except BrokenContractError as error:
            return Check(name, False, str(error))
        except TimeLimitError:
            return Check(name, False, f"it took more than {LIMIT_SECONDS:g} s")
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a stranger's code can raise anything
            return Check(name, False, f"it raised {type(error).__name__}: {error}")
        finally:
            alarm.set(0)


@dataclass
class _Subject:
    """A strategy under check, on one space."""

    strategy: type[Strategy]
    reference: type[Strategy] | str
    space: Enumerable

    @cached_property
    def run(self) -> list[Cell]:
        """The whole run with seed 0, which several checks compare with."""
        return trajectory(self.strategy, self.space, seed=0, n=_WHOLE)


def trajectory(
    strategy: type[Strategy], space: Space, *, seed: int, n: int, first: int = _FIRST, score: Score | None = None
) -> list[Cell]:
    """Run a strategy as an experiment does, on made-up scores, and return the cells in order, the first included.

    Args:
        strategy: The strategy's class.
        space: The space.
        seed: The strategy's seed; the first cells do not depend on it.
        n: How many cells the run has.
        first: How many cells it is told before it is asked.
        score: What a cell scores; `synthetic` if left out. From a million on, a score is that of an infeasible cell.

    Raises:
        BrokenContractError: `ask` returned something else than 1 to n cells of the space.
    """
    made = strategy(space, seed=seed)
    rng = np.random.default_rng(1)
    cells = [space.sample(rng) for _ in range(first)]
    if cells:
        made.tell(trials_of(cells, score))
    while len(cells) < n:
        asked = ask(made, space, min(max(made.batch_size, 1), n - len(cells)))
        made.tell(trials_of(asked, score, start=len(cells)))
        cells.extend(asked)
    return cells


def ask(strategy: Strategy, space: Space, n: int) -> list[Cell]:
    """Ask and hold the answer against the contract.

    Args:
        strategy: The strategy.
        space: Its space.
        n: The most that it may return.

    Raises:
        BrokenContractError: It returned something else than 1 to n cells of the space.
    """
    asked = strategy.ask(n)
    if not isinstance(asked, Sequence) or isinstance(asked, str) or not 1 <= len(asked) <= n:
        raise BrokenContractError(f"ask({n}) returned {shown(asked)}, not a list of 1 to {n} cells")
    for cell in (one.cell if isinstance(one, Request) else one for one in asked):
        if cell not in space:
            raise BrokenContractError(f"ask({n}) returned {shown(cell)}, which is no cell of {space.name}")
    return [one.cell if isinstance(one, Request) else one for one in asked]


def synthetic(cell: Cell) -> float:
    """A made-up score between 0 and 1 that neighbours mostly share.

    Args:
        cell: Any cell of any space.
    """
    return sum((3 * choice + 2 * place) % 5 for place, choice in enumerate(cell.choices)) / (4 * len(cell.choices))


def trials_of(cells: Sequence[Cell], score: Score | None = None, start: int = 0) -> list[Trial]:
    """Trials with made-up scores.

    Args:
        cells: The cells.
        score: What a cell scores; `synthetic` if left out.
        start: The index of the first trial.
    """
    trials = []
    for index, cell in enumerate(cells, start):
        value = (score or synthetic)(cell)
        feasible = value < _INFEASIBLE
        trials.append(Trial(index, cell, value, value, 0.0, feasible, None, 1.0, {"made_up": value}))
    return trials


def reachable(*roots: object) -> Iterator[object]:
    """Everything that can be reached from some objects through attributes, containers and closures.

    Spaces, modules, classes and the globals of functions are not entered.

    Args:
        roots: Where to start.
    """
    seen: dict[int, object] = {}
    waiting = list(roots)
    while waiting:
        this = waiting.pop()
        if id(this) in seen or isinstance(this, (type, ModuleType, str, bytes, int, float, np.ndarray)):
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
    slots = [name for kind in type(owner).__mro__ for name in np.atleast_1d(getattr(kind, "__slots__", ()))]
    held = [getattr(owner, str(name)) for name in slots if hasattr(owner, str(name))]
    return held + list(getattr(owner, "__dict__", {}).values())


def _differing(one: Sequence[object], other: Sequence[object]) -> str:
    """Where two runs part."""
    place = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return f"they part at cell {place}: {shown(one[place : place + 1])} and {shown(other[place : place + 1])}"


def _is_made_from_space_and_seed(subject: _Subject) -> str:
    """The constructor takes (space, *, seed) and any seed from 0 to 2**63 - 1."""
    for seed in (0, _LARGEST_SEED):
        made = subject.strategy(subject.space, seed=seed)
        ask(made, subject.space, 1)
    return f"made and asked with the seeds 0 and {_LARGEST_SEED}"


def _asks_for_one_to_n_cells(subject: _Subject) -> str:
    """`ask(n)` returns 1 to n cells of the space, for n of 1 and 5, untold and told."""
    seen = []
    for told in (0, _FIRST):
        for n in (1, 5):
            made = subject.strategy(subject.space, seed=0)
            if told:
                made.tell(trials_of(list(subject.space[:told])))
            seen.append(str(len(ask(made, subject.space, n))))
    return f"returned {', '.join(seen)} cells"


def _learns_from_what_it_did_not_ask_for(subject: _Subject) -> str:
    """It can be told trials that it did not ask for, before its first question and between others."""
    made = subject.strategy(subject.space, seed=0)
    rng = np.random.default_rng(2)
    told = 0
    for _ in range(3):
        cells = [subject.space.sample(rng) for _ in range(_FIRST)]
        made.tell(trials_of(cells, start=told))
        told += len(cells)
        asked = ask(made, subject.space, 1)
        made.tell(trials_of(asked, start=told))
        told += len(asked)
    return f"told {told} trials, of which it asked for 3"


def _runs_untold(subject: _Subject) -> str:
    """It works when it is told no first cells."""
    cells = trajectory(subject.strategy, subject.space, seed=0, n=_SHORT, first=0)
    return f"asked for {len(cells)} cells"


def _makes_a_whole_run(subject: _Subject) -> str:
    """It makes a whole run of 60 cells and never asks for a foreign one."""
    return f"{len(set(subject.run))} of {len(subject.run)} cells were different"


def _repeats_in_this_process(subject: _Subject) -> str:
    """The same seed and the same told trials give the same cells again in this process."""
    again = trajectory(subject.strategy, subject.space, seed=0, n=_SHORT)
    if again != subject.run[:_SHORT]:
        raise BrokenContractError(f"two runs with seed 0 differ; {_differing(subject.run, again)}")
    return f"{_SHORT} cells were the same"


def _repeats_in_a_fresh_process(subject: _Subject) -> str:
    """The same seed and the same told trials give the same cells in a fresh process with another hash seed."""
    try:
        what = pickle.dumps((subject.reference, subject.space))
    except (pickle.PicklingError, AttributeError) as error:
        raise BrokenContractError(
            f"a fresh process cannot find it ({error}): define it at the top of a file"
        ) from error
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    environment["PYTHONHASHSEED"] = "7" if environment.get("PYTHONHASHSEED") != "7" else "8"
    made = subprocess.run(
        [sys.executable, "-c", "from surrogate_nas.contract.strategies import _fresh; _fresh()"],
        input=what,
        capture_output=True,
        timeout=LIMIT_SECONDS,
        env=environment,
        check=False,
    )
    if made.returncode:
        lines = made.stderr.decode(errors="replace").strip().splitlines() or ["it gave no reason"]
        raise BrokenContractError(f"a fresh process failed: {lines[-1]}")
    here, there = [str(cell) for cell in subject.run[:_SHORT]], json.loads(made.stdout.splitlines()[-1])
    if here != there:
        raise BrokenContractError(f"a fresh process asked for other cells; {_differing(here, there)}")
    return f"{_SHORT} cells were the same"


def _fresh() -> None:
    """The fresh process: reads what to run from standard input and prints the cells as its last line."""
    strategy, space = pickle.load(sys.stdin.buffer)
    cells = trajectory(resolve(strategy), space, seed=0, n=_SHORT)
    sys.stdout.write("\n" + json.dumps([str(cell) for cell in cells]) + "\n")


def _heeds_its_seed(subject: _Subject) -> str:
    """Another seed gives other cells somewhere within the first 30."""
    for seed in (1, 2, 3):
        if trajectory(subject.strategy, subject.space, seed=seed, n=_SHORT) != subject.run[:_SHORT]:
            return f"the seeds 0 and {seed} differ"
    raise BrokenContractError("the seeds 0, 1, 2 and 3 gave the same cells: is the seed ignored?")


def _leaves_global_randomness_alone(subject: _Subject) -> str:
    """It neither uses nor disturbs the global generators of `random` and NumPy."""
    kept = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        random.seed(_FIRST)
        np.random.seed(_FIRST)  # noqa: NPY002
        before = random.getstate(), pickle.dumps(np.random.get_state())  # noqa: NPY002
        trajectory(subject.strategy, subject.space, seed=0, n=_SHORT)
        after = random.getstate(), pickle.dumps(np.random.get_state())  # noqa: NPY002
    finally:
        random.setstate(kept[0])
        np.random.set_state(kept[1])  # noqa: NPY002
    for name, one, other in zip(("random", "np.random"), before, after, strict=True):
        if one != other:
            raise BrokenContractError(f"the state of {name} changed: draw from self.rng instead")
    return "both states are as before"


def _holds_no_benchmark(subject: _Subject) -> str:
    """It holds no benchmark, objective or evaluator, in itself or in its module."""
    made = subject.strategy(subject.space, seed=0)
    made.tell(trials_of(list(subject.space[:_FIRST])))
    made.tell(trials_of(ask(made, subject.space, 1)))
    module = vars(sys.modules.get(subject.strategy.__module__, object))
    attributes = [value for kind in subject.strategy.__mro__ for value in vars(kind).values()]
    for held in reachable(made, *module.values(), *attributes):
        if isinstance(held, _FORBIDDEN):
            raise BrokenContractError(f"{type(held).__name__} is reachable from it: a strategy only asks and is told")
    return "none is reachable"


def _leaves_trials_alone(subject: _Subject) -> str:
    """It does not change the trials that it is told, nor the list that they come in."""
    made = subject.strategy(subject.space, seed=0)
    cells = list(subject.space[:_FIRST])
    for start in (0, _FIRST):
        told = trials_of(cells, start=start)
        before = copy.deepcopy(told)
        made.tell(told)
        cells = ask(made, subject.space, 5)
        if told != before:
            raise BrokenContractError("told trials were changed")
    return "unchanged after two rounds"


def _survives_equal_scores(subject: _Subject) -> str:
    """It goes on when all scores are equal."""
    return f"{len(trajectory(subject.strategy, subject.space, seed=0, n=_SHORT, score=lambda _: 0.0))} cells"


def _survives_infeasible_cells(subject: _Subject) -> str:
    """It goes on when half of the cells, or all, are infeasible, with large finite scores."""

    def half(cell: Cell) -> float:
        return synthetic(cell) + _INFEASIBLE * (cell.index % 2)

    trajectory(subject.strategy, subject.space, seed=0, n=_SHORT, score=half)
    trajectory(subject.strategy, subject.space, seed=0, n=_SHORT, score=lambda cell: synthetic(cell) + _INFEASIBLE)
    return f"two runs of {_SHORT} cells"


def _survives_duplicates(subject: _Subject) -> str:
    """It goes on when the same cell is told many times."""
    made = subject.strategy(subject.space, seed=0)
    cell = subject.space[len(subject.space) // 2]
    made.tell(trials_of([cell] * _FIRST))
    for start in range(_FIRST, _SHORT, 2):
        made.tell(trials_of([*ask(made, subject.space, 1), cell], start=start))
    return f"told one cell {_FIRST + (_SHORT - _FIRST) // 2} times"


CHECKS: tuple[Callable[[_Subject], str], ...] = (
    _is_made_from_space_and_seed,
    _asks_for_one_to_n_cells,
    _learns_from_what_it_did_not_ask_for,
    _runs_untold,
    _makes_a_whole_run,
    _repeats_in_this_process,
    _repeats_in_a_fresh_process,
    _heeds_its_seed,
    _leaves_global_randomness_alone,
    _holds_no_benchmark,
    _leaves_trials_alone,
    _survives_equal_scores,
    _survives_infeasible_cells,
    _survives_duplicates,
)
"""Every check; the docstring is the promise."""
