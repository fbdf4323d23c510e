"""A contract as a class of checks, and runs of a strategy on synthetic scores."""

import copy
import pickle
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from surrogate_nas.core import shown
from surrogate_nas.space import Cell, ChoiceSpace, Request, Space, Trial
from surrogate_nas.strategies import Strategy


@dataclass(frozen=True)
class Check:
    """The outcome of one check on one subject.

    Attributes:
        name: The requirement that was checked, and the space on which it was checked.
        passed: Whether the requirement is met.
        detail: What failed and how to correct it; empty if the check passed.

    Example:
        >>> Check(
        ...     "asks for one to n cells [nb201]", False, "asked for 3, it gave 5"
        ... ).passed
        False
    """

    name: str
    passed: bool
    detail: str = ""


class Contract:
    """A set of checks: the methods ``test_…``, whose docstrings state the requirements."""

    space: Space | None = None

    @classmethod
    def of(cls, **attributes: Any) -> "Contract":
        """Create a contract for the object to check."""
        contract: Contract = type(cls.__name__, (cls,), attributes)()
        return contract

    def spaces(self) -> Sequence[Space]:
        """Return the spaces on which every check runs."""
        raise NotImplementedError

    def checks(self) -> Iterator[tuple[str, Callable[[], object]]]:
        """Yield the name of every check and a function that runs it."""
        methods = [
            getattr(self, name) for name in dir(self) if name.startswith("test_")
        ]
        for space in self.spaces():
            for method in sorted(
                methods, key=lambda method: method.__code__.co_firstlineno
            ):
                promise = " ".join(method.__doc__.split()).rstrip(".")
                yield f"{promise} [{space.name}]", partial(method, space)

    def pytest_generate_tests(self, metafunc: Any) -> None:
        """Generate a pytest test for each check and space."""
        if "space" in metafunc.fixturenames:
            metafunc.parametrize("space", self.spaces(), ids=lambda space: space.name)


FIRST = 10
"""Number of cells that a strategy observes first."""
INFEASIBLE = 1e6
"""Synthetic scores of at least this value mark infeasible cells."""
READABLE = ("early", "late")
"""The metrics that a strategy over epochs may read in addition to the score."""
Score = Callable[[Cell], float]


@contextmanager
def no_global_randomness(instead: str) -> Iterator[None]:
    """Raise an error if the ``with`` block uses the global generators of `random` and NumPy, and
    restore the states of these generators.
    """
    states = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        random.seed(FIRST)
        np.random.seed(FIRST)  # noqa: NPY002
        before = random.getstate(), pickle.dumps(np.random.get_state())  # noqa: NPY002
        yield
        after = random.getstate(), pickle.dumps(np.random.get_state())  # noqa: NPY002
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002
    for name, old, new in zip(("random", "np.random"), before, after, strict=True):
        assert old == new, f"the state of {name} changed: use {instead} instead"


class TinySpace(ChoiceSpace):
    """A space of 24 cells: three positions with two, three and four options."""

    name = "tiny"
    positions = ("side", "colour", "number")
    options = (("left", "right"), ("red", "green", "blue"), ("0", "1", "2", "3"))


class LargeSpace(ChoiceSpace):
    """A space of 10^18 cells (eighteen positions with ten options), which can only be sampled."""

    name = "large"
    positions = tuple(f"p{index}" for index in range(18))
    options = (tuple(map(str, range(10))),) * 18


def trajectory(
    strategy: type[Strategy],
    space: Space,
    *,
    seed: int,
    n: int,
    first: int = FIRST,
    score: Score | None = None,
    objectives: int = 1,
    epochs: Sequence[int] = (),
    n_waiting: int = 0,
) -> list[Any]:
    """Run a strategy as an experiment does, but with synthetic scores.

    Args:
        strategy: The class of the strategy.
        space: The space to search.
        seed: The seed of the strategy.
        n: Number of cells in the run, including the initial cells.
        first: Number of random cells to report to the strategy before its first proposal.
        score: A function that returns the score of a cell; `synthetic` by default.
        objectives: Number of objectives.
        epochs: The numbers of epochs that the strategy may choose; empty if the strategy does not
            choose epochs.
        n_waiting: Number of calls of `ask` before their results are reported in reverse order; 0 to
            report the results after every call.

    Returns:
        The cells of the run in order, or the requests if the strategy chooses epochs.

    Raises:
        AssertionError: `ask` returned something other than 1 to n cells, or `tell` changed trials.
    """
    instance = strategy(space, seed=seed)
    instance.objectives = objectives
    if epochs:
        instance.epochs = epochs
        instance.readable = dict.fromkeys(epochs, READABLE)
    asked: list[Any] = []
    n_told = 0

    def tell(items: Sequence[Any]) -> None:
        nonlocal n_told
        trials = trials_of(items, score, n_told, objectives, epochs)
        before = copy.deepcopy(trials)
        instance.tell(trials)
        assert trials == before, "tell changed the trials"
        n_told += len(items)

    rng = np.random.default_rng(1)
    cells = [space.sample(rng) for _ in range(first)]
    if cells:
        asked += [Request(cell, epochs[-1]) for cell in cells] if epochs else cells
        tell(asked)
    while len(asked) < n:
        size = min(max(instance.batch_size, 1), n - len(asked)) if not n_waiting else 1
        batches = [ask(instance, space, size, epochs) for _ in range(n_waiting or 1)]
        for batch in reversed(batches):
            tell(batch)
            asked += batch
        if n_waiting and not epochs:
            tell(asked[:1])
    return asked


def ask(
    strategy: Strategy, space: Space, n: int, epochs: Sequence[int] = ()
) -> list[Any]:
    """Ask a strategy for up to `n` cells, and check its answer. Return the cells, or the requests
    if `epochs` are given.
    """
    proposals = strategy.ask(n)
    is_list = isinstance(proposals, Sequence) and not isinstance(proposals, str)
    assert is_list and 1 <= len(proposals) <= n, (
        f"ask({n}) returned {shown(proposals)}, not a list of 1 to {n} cells. Return a list, as in"
        " [self.space.sample(self.rng)]"
    )
    last = epochs[-1] if epochs else 0
    requests = [
        item if isinstance(item, Request) else Request(item, last) for item in proposals
    ]
    for cell, chosen, read in requests:
        assert cell in space, (
            f"ask({n}) returned {shown(cell)}, which is not a cell of {space.name}. Get cells from"
            " self.space with sample(rng), mutate(cell, rng), neighbours(cell) or cell(text)"
        )
        assert not epochs or chosen in epochs, (
            f"it requested {shown(chosen)} epochs, not one of {', '.join(map(str, epochs))}"
        )
        assert not epochs or {*read} <= {*READABLE}, (
            f"it requested {shown(read)}, but only {' and '.join(READABLE)} can be read"
        )
    return requests if epochs else [request.cell for request in requests]


def synthetic(cell: Cell) -> float:
    """Return a synthetic score of a cell, from 0 to 1, which is similar for neighbours."""
    return sum(
        (3 * choice + 2 * position) % 5 for position, choice in enumerate(cell.choices)
    ) / (4 * len(cell.choices))


def trials_of(
    asked: Sequence[Any],
    score: Score | None = None,
    start: int = 0,
    objectives: int = 1,
    epochs: Sequence[int] = (),
) -> list[Trial]:
    """Return trials of cells or requests, with synthetic scores. The synthetic scores are worse
    after fewer epochs.
    """
    trials = []
    for index, item in enumerate(asked, start):
        cell, chosen, read = item if epochs else (item, None, ())
        missing = 0.0
        if chosen is not None:
            missing = (1 - chosen / epochs[-1]) * (sum(cell.choices) % 3) / 10
        value = (score or synthetic)(cell) + missing
        feasible = value < INFEASIBLE
        # further scores follow from one position each
        positions = [cell.choices[i % len(cell.choices)] for i in range(objectives - 1)]
        further = [
            INFEASIBLE * (not feasible) + 1 / (1 + choice) for choice in positions
        ]
        vector = (value, *further) if further else ()
        total = sum(vector) if vector else value
        suffix = f"[{chosen}]" if epochs else ""
        values = {f"made_up{suffix}": value}
        values |= {
            f"{name}{suffix}": value + missing * (name == "late") for name in read
        }
        cost = float(chosen or 1)
        fields = (total, total, 0.0, feasible, chosen, cost, values)
        trials.append(Trial(index, cell, *fields, scores=vector))
    return trials


def draw(space: Space, n: int, seed: int = 2) -> list[Cell]:
    """Sample `n` distinct cells of a space, or fewer if the space yields too few."""
    rng = np.random.default_rng(seed)
    cells: dict[Cell, None] = {}
    for _ in range(100 * n):
        if len(cells) >= min(n, space.size):
            break
        cells[space.sample(rng)] = None
    return list(cells)
