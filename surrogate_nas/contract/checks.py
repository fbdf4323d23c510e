"""A contract as a class of checks, and runs of a strategy on made-up scores."""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from surrogate_nas.core.errors import shown
from surrogate_nas.space import Cell, ChoiceSpace, EnumerableChoiceSpace, Space
from surrogate_nas.space.trial import Request, Trial
from surrogate_nas.strategies import Strategy


@dataclass(frozen=True)
class Check:
    """The outcome of one check on one subject.

    Attributes:
        name: The promise, and the space that it was checked on.
        passed: Whether it holds.
        detail: What went wrong, and what to do; empty where the promise holds.

    Example:
        >>> Check("asks for one to n cells [nb201]", False, "asked for 3, it gave 5").passed
        False
    """

    name: str
    passed: bool
    detail: str = ""


class Contract:
    """Checks of one kind of thing: the methods ``test_…``, whose docstrings are the promises."""

    space: Space | None = None

    @classmethod
    def of(cls, **attributes: Any) -> Contract:
        """The contract of a thing."""
        contract: Contract = type(cls.__name__, (cls,), attributes)()
        return contract

    def spaces(self) -> Sequence[Space]:
        """The spaces that every check is made on."""
        raise NotImplementedError

    def checks(self) -> Iterator[tuple[str, Callable[[], object]]]:
        """The name of every check, and a function that makes it."""
        methods = [getattr(self, name) for name in dir(self) if name.startswith("test_")]
        for space in self.spaces():
            for method in sorted(
                methods, key=lambda method: method.__code__.co_firstlineno
            ):
                promise = " ".join(method.__doc__.split()).rstrip(".")
                yield f"{promise} [{space.name}]", partial(method, space)

    def pytest_generate_tests(self, metafunc: Any) -> None:
        """Make a test of each check and space."""
        if "space" in metafunc.fixturenames:
            metafunc.parametrize("space", self.spaces(), ids=lambda space: space.name)


FIRST = 10
"""How many cells a strategy observes first."""
INFEASIBLE = 1e6
"""From here on, a made-up score is that of an infeasible cell."""
Score = Callable[[Cell], float]


@contextmanager
def no_global_randomness(instead: str) -> Iterator[None]:
    """Refuse uses of the global generators of `random` and NumPy, and restore their states."""
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
        assert old == new, f"the state of {name} changed: draw from {instead} instead"


class TinySpace(EnumerableChoiceSpace):
    """Three positions of two, three and four options: 24 cells."""

    name = "tiny"
    positions = ("side", "colour", "number")
    options = (("left", "right"), ("red", "green", "blue"), ("0", "1", "2", "3"))


class LargeSpace(ChoiceSpace):
    """Eighteen positions of ten options: 10^18 cells, which can only be sampled."""

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
) -> list[Cell]:
    """Run a strategy as an experiment does, on made-up scores; the cells in order.

    Raises:
        AssertionError: `ask` returned something else than 1 to n cells of the space.
    """
    instance = strategy(space, seed=seed)
    instance.objectives = objectives
    rng = np.random.default_rng(1)
    cells = [space.sample(rng) for _ in range(first)]
    if cells:
        instance.tell(trials_of(cells, score, objectives=objectives))
    while len(cells) < n:
        proposals = ask(instance, space, min(max(instance.batch_size, 1), n - len(cells)))
        instance.tell(trials_of(proposals, score, len(cells), objectives))
        cells.extend(proposals)
    return cells


def ask(strategy: Strategy, space: Space, n: int) -> list[Cell]:
    """The cells that `requested` gives.

    Raises:
        AssertionError: It returned something else than 1 to n cells of the space.
    """
    return [
        item.cell if isinstance(item, Request) else item
        for item in requested(strategy, space, n)
    ]


def requested(strategy: Strategy, space: Space, n: int) -> Sequence[Cell | Request]:
    """Ask, and compare the answer with the contract."""
    proposals = strategy.ask(n)
    is_list = isinstance(proposals, Sequence) and not isinstance(proposals, str)
    assert is_list and 1 <= len(proposals) <= n, (
        f"ask({n}) returned {shown(proposals)}, not a list of 1 to {n} cells: return a list, as in"
        " [self.space.sample(self.rng)]"
    )
    for cell in (item.cell if isinstance(item, Request) else item for item in proposals):
        assert cell in space, (
            f"ask({n}) returned {shown(cell)}, which is no cell of {space.name}: take cells from"
            " self.space by sample(rng), mutate(cell, rng), neighbours(cell), or cell(text)"
        )
    return proposals


def synthetic(cell: Cell) -> float:
    """A made-up score between 0 and 1 that neighbours mostly share."""
    return sum(
        (3 * choice + 2 * position) % 5 for position, choice in enumerate(cell.choices)
    ) / (4 * len(cell.choices))


def trials_of(
    cells: Sequence[Cell],
    score: Score | None = None,
    start: int = 0,
    objectives: int = 1,
) -> list[Trial]:
    """Trials with made-up scores."""
    trials = []
    for index, cell in enumerate(cells, start):
        value = (score or synthetic)(cell)
        feasible = value < INFEASIBLE
        # further scores follow from one position each
        positions = [cell.choices[i % len(cell.choices)] for i in range(objectives - 1)]
        further = [INFEASIBLE * (not feasible) + 1 / (1 + choice) for choice in positions]
        vector = (value, *further) if further else ()
        total = sum(vector) if vector else value
        fields = (total, total, 0.0, feasible, None, 1.0, {"made_up": value})
        trials.append(Trial(index, cell, *fields, scores=vector))
    return trials


def draw(space: Space, n: int, seed: int = 2) -> list[Cell]:
    """Some cells of a space, all different; fewer where the space hardly gives as many."""
    rng = np.random.default_rng(seed)
    cells: dict[Cell, None] = {}
    for _ in range(100 * n):
        if len(cells) >= min(n, space.size):
            break
        cells[space.sample(rng)] = None
    return list(cells)
