"""The base class of all bridges, which translates cells for a library and isolates the library's
global state.

A library represents a cell as one choice at every position. If a combination of choices is not a
cell of the space, the nearest cell is evaluated instead, and its score is reported for the
combination. Trials that the library did not propose (the initial architectures of a run) are
reported to it, too. A cell that the library proposes again is evaluated and charged again.
Infeasible cells are reported with their score, which is above the scores of all feasible cells. A
failed evaluation is reported as a failure if the library supports failures. If the library does not
support failures, a failed evaluation is reported only to genetic algorithms, which rank cells.
"""

import inspect
import logging
import random
import warnings
from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import Any, ClassVar, TypeVar

import numpy as np

from surrogate_nas.core import Knob, UserError, check_argument, knobs_of, missing
from surrogate_nas.space import Cell, ChoiceSpace, Space, Trial
from surrogate_nas.strategies.base import Strategy

_PLAIN = {"bool": bool, "int": int, "float": float, "str": str}
_SEED_BITS = 32


class Bridge(Strategy):
    """A strategy whose cells are proposed by another library.

    Subclasses implement `_propose` and `_learn`. Methods of a bridge run with their own random
    states of `random` and NumPy, and their output is suppressed.

    Raises:
        UserError: The space is not a `ChoiceSpace`.

    Attributes:
        origin: The library and the algorithm, such as ``optuna:TPESampler``.
        own_seed: The seed that is passed to the library, from 0 to 2**32 - 1.
        knobs: The algorithm's keyword arguments.
    """

    origin: ClassVar[str]
    space: ChoiceSpace

    def __init__(self, space: Space, *, seed: int, **given: Any) -> None:
        super().__init__(space, seed=seed, **given)
        if not isinstance(space, ChoiceSpace):
            raise UserError(
                f"{self.origin} needs a space of choices (ChoiceSpace); {space.name} is not one."
            )
        self.knobs = {name: getattr(self, name) for name in knobs_of(type(self))}
        self.own_seed = int(self.rng.integers(2**_SEED_BITS))
        self._waiting: dict[Cell, list[Any]] = {}
        self._generators: tuple[Any, Any] = (
            random.Random(self.own_seed).getstate(),
            np.random.RandomState(self.own_seed).get_state(),
        )

    @abstractmethod
    def _propose(self) -> Cell:
        """Return the library's next proposal."""

    @abstractmethod
    def _learn(self, trial: Trial) -> None:
        """Report a trial to the library, whether or not the library proposed its cell."""

    def ask(self, n: int) -> Sequence[Cell]:
        """Propose cells, one after another."""
        with self._alone():
            return [self._propose() for _ in range(n)]

    def tell(self, trials: Sequence[Trial]) -> None:
        """Report trials to the library, in the given order."""
        with self._alone():
            for trial in trials:
                self._learn(trial)

    def _waits(self, choices: Sequence[int], question: Any) -> Cell:
        """Return the cell to evaluate; the library's own proposal waits until that cell is
        observed.
        """
        cell = nearest_cell(self.space, choices)
        self._waiting.setdefault(cell, []).append(question)
        return cell

    def _question(self, trial: Trial) -> Any:
        waiting = self._waiting.get(trial.cell)
        return waiting.pop(0) if waiting else None

    def _losses(self, trial: Trial) -> list[float]:
        return list(trial.scores) if self.objectives > 1 else [trial.score]

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Let a library use random states of this strategy in place of the global ones, and
        suppress its output.
        """
        outside = random.getstate(), np.random.get_state()  # noqa: NPY002
        logged = logging.root.manager.disable
        _set_generators(*self._generators)
        logging.disable(logging.CRITICAL)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield
        finally:
            self._generators = random.getstate(), np.random.get_state()  # noqa: NPY002
            _set_generators(*outside)
            logging.disable(logged)


def _set_generators(python: Any, numpy: Any) -> None:
    random.setstate(python)
    np.random.set_state(numpy)  # noqa: NPY002


def nearest_cell(space: ChoiceSpace, choices: Sequence[int]) -> Cell:
    """Return the cell with the given choices, or the nearest cell if this combination is not a
    cell. Of several nearest cells, the first in the order of the space is returned.

    The distance between two combinations is the number of positions with different choices. If the
    space is not enumerable, only cells of `Space.reference_sample` are considered.
    """
    try:
        return space.at(choices)
    except UserError:
        differing = (space.reference_choices != np.asarray(choices)).sum(axis=1)
        return space.reference_sample[int(differing.argmin())]


AnyBridge = TypeVar("AnyBridge", bound=Bridge)


def library(name: str, needed_by: str) -> ModuleType:
    """Import another library.

    Raises:
        UserError: The library is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise missing(needed_by, error.name or name) from error


def plain_knobs(
    function: Any, without: Collection[str], defaults: Mapping[str, Any]
) -> dict[str, Knob]:
    """Return a function's parameters that take a number, a text or a boolean, as options of a
    strategy.
    """
    knobs: dict[str, Knob] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        default = defaults.get(name, parameter.default)
        annotation = getattr(
            parameter.annotation, "__name__", str(parameter.annotation)
        )
        plain, _, none = annotation.partition(" | ")
        kind: Any = _PLAIN.get(plain) if none in ("", "None") else None
        kind = kind or _PLAIN.get(type(default).__name__)
        if kind and name not in without:
            kind = kind | None if none else kind
            knobs[name] = Knob(default, kind, partial(check_argument, kind=kind))
    return knobs


def strategy_class(
    base: type[AnyBridge], name: str, knobs: Mapping[str, Knob], **attributes: Any
) -> type[AnyBridge]:
    """Create the strategy class of one algorithm. The constructor of the class takes the
    algorithm's options.
    """
    content = {"__module__": base.__module__, "__doc__": base.__doc__, **knobs}
    return type(name, (base,), content | attributes)


def by_name(
    bridge: Callable[[str], type[AnyBridge]],
) -> Callable[[str], type[AnyBridge]]:
    """Return a ``__getattr__`` for a module that returns a bridge's class by name, so that the
    class can be pickled.
    """

    def attribute(name: str) -> type[AnyBridge]:
        if not name[:1].isalpha():
            raise AttributeError(name)
        try:
            return bridge(name)
        except UserError as error:
            raise AttributeError(str(error)) from error

    return attribute
