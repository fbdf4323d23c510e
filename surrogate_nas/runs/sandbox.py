"""The interface between a run and a strategy. A strategy's declarations and proposals are checked
against the contract, and wrappers change what a strategy observes or proposes.

Any error in a call of a strategy is converted to a `StrategyError`. A run of a user-defined
strategy (a file, an entry point, or a class from elsewhere) is made in its own process
(`surrogate_nas.runs.search`). A call of the strategy that takes too long ends the process of the
run. A strategy that exits, hangs, prints or patches modules does not affect other runs. The
separate process protects against accidents, not against attacks.

`Blinded` gives the strategy a `BlindSpace` and metrics called ``m1``, ``m2``, …. The disguising
names are sampled again for every run, from the seed of the run. `Scalarised` combines several
objectives for a strategy that supports one.

`Recorded` stores the proposals of a strategy that represents an external program or a person
(`Strategy.from_outside`). ``answers/STRATEGY-RUN.journal`` contains one line with a checksum per
answer, written before its cells are evaluated. A run that is resumed or repeated reads its
proposals from this journal. The strategy itself is asked only when all stored proposals have been
used.
"""

import math
import operator
import re
import signal
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import replace
from functools import lru_cache, partial
from itertools import islice
from os import _exit as leave  # not what `staying` puts in its place
from os import getpid
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from surrogate_nas.core import UserError, is_interrupt, shown
from surrogate_nas.files import Journal
from surrogate_nas.files.opened import Opened, hearing
from surrogate_nas.runs.options import USAGE
from surrogate_nas.runtime.user_code import (
    START_SECONDS,
    StrategyError,
    as_strategy_error,
    call_aside,
    file_of,
    pack,
    unpack,
)
from surrogate_nas.runtime.worker import dump_when_alarmed, is_inside
from surrogate_nas.space import Cell, Request, Space, Trial, TrialValues
from surrogate_nas.space.blind import BlindSpace, blind
from surrogate_nas.strategies import (
    BLIND,
    OURS,
    Strategy,
    StrategyEntry,
)

_LONGEST_ALARM = 1e6
_CELLS = "cells"
STRETCH = 10
"""Number of trials with one set of weights."""
_AUGMENTATION = 0.05
# Above every scalarised score of a feasible cell.
_INFEASIBLE = 10.0
_OF_CELLS = ("penalty", "vector", "violation", "feasible")
_LARGEST_BATCH = 10**6
# What a strategy may be given beside the space, and the flag by which its class declares that it
# reads it.
_DECLARED = {
    "free": "uses_free",
    "epochs": "chooses_epochs",
    "readable": "chooses_epochs",
    "qualities": "chooses_epochs",
    "objectives": "many_objectives",
    "supernet_context": "needs_supernet",
    "problem": "from_outside",
}


class Flags(NamedTuple):
    """The declarations of a strategy, such as its batch size.

    Attributes:
        batch_size: Number of cells that the strategy prefers to propose at once, at least 1.
        chooses_epochs: Whether the strategy may request other numbers of epochs than that of the
            objective.
        many_objectives: Whether the strategy supports several objectives.
        uses_free: Whether the strategy uses the free terms of the objective, which need no
            training.
        needs_supernet: Whether the strategy trains its own supernet.
        from_outside: Whether the proposals come from an external program or a person. Proposals
            from outside are stored, and an empty proposal ends the run.
        shares_points: Whether the runs of the strategy share one encoding of all cells of a space,
            as those of ``bo`` do.
    """

    batch_size: int = 1
    chooses_epochs: bool = False
    many_objectives: bool = False
    uses_free: bool = False
    needs_supernet: bool = False
    from_outside: bool = False
    shares_points: bool = False

    def read(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Select the settings that the strategy declares to use."""
        return {
            name: value
            for name, value in settings.items()
            if getattr(self, _DECLARED[name])
        }


def flags_of(strategy: Strategy | type[Strategy]) -> Flags:
    """Read the declarations of a strategy. The batch size of a class is available only from an
    instance; for a class, it is set to 1.
    """
    own = (getattr(strategy, name, False) is True for name in Flags._fields[1:])
    if isinstance(strategy, type):
        return Flags(1, *own)
    try:
        size = operator.index(strategy.batch_size)
    except TypeError as error:
        raise StrategyError(
            "its batch_size must be a whole number of at least 1, not"
            f" {shown(strategy.batch_size)}."
        ) from error
    return Flags(min(max(size, 1), _LARGEST_BATCH), *own)


def own_cells(
    asked: Any,
    n: int,
    space: Space,
    epochs: Sequence[int] = (),
    *,
    may_end: bool = False,
) -> list[Cell | Request]:
    """Convert the return value of a strategy to cells of the space, or to requests if it may choose
    epochs. An empty list is accepted only if `may_end` is true, and ends the run.
    """
    listed = isinstance(asked, Sequence) and not isinstance(asked, str)
    taken = list(islice(iter(asked), n + 1)) if listed else []
    if not taken and not (listed and may_end):
        raise StrategyError(
            f"ask({n}) must return a non-empty list of cells, not {shown(asked)}."
        )
    if len(taken) > n:
        raise StrategyError(f"ask({n}) returned {len(asked)} cells, more than {n}.")
    return [_own(request, n, space, epochs) for request in taken]


def _own(asked: Any, n: int, space: Space, epochs: Sequence[int]) -> Cell | Request:
    cell = asked.cell if isinstance(asked, Request) else asked
    if not isinstance(cell, Cell) or cell not in space:
        raise StrategyError(
            f"ask({n}) returned {shown(cell)}, which is not a cell of {space.name}."
        )
    if not isinstance(asked, Request):
        return space.cell(cell)
    if asked.epochs in epochs:
        return Request(space.cell(cell), int(asked.epochs), tuple(map(str, asked.read)))
    choices = ", ".join(map(str, epochs))
    why = f", not one of {choices}." if epochs else ": declare chooses_epochs."
    raise StrategyError(
        f"ask({n}) returned a request for {shown(asked.epochs)} epochs{why}"
    )


def as_json(asked: Cell | Request) -> Any:
    """Convert a cell to a string, and a request to a list, for storage as JSON."""
    if isinstance(asked, Cell):
        return asked.text
    return [asked.cell.text, asked.epochs, list(asked.read)]


def from_json(content: Any, space: Space) -> Cell | Request:
    """Read a cell or a request from the output of `as_json`. Raise a ValueError if the format is
    invalid, and a UserError if the cell is not in the space.
    """
    match content:
        case (str() as text) | [str() as text]:
            return space.cell(Cell((), text))
        case [str() as text, int() as epochs, list() as read]:
            return Request(space.cell(Cell((), text)), epochs, tuple(map(str, read)))
    raise ValueError(f"{shown(content)} is not a cell")


class Sandboxed:
    """A strategy that is called in this process. The attribute `seconds` is the time spent in calls
    of the strategy so far.
    """

    def __init__(
        self,
        entry: StrategyEntry,
        space: Space,
        seed: int,
        limit: float,
        files: Sequence[Opened],
    ) -> None:
        """Create the strategy, or raise a StrategyError."""
        self.seconds = self._limit = 0.0
        self.file = ""
        self._epochs: Sequence[int] = ()
        self._space = space
        self._files = files
        self._is_ours = entry.is_trusted
        self._owner = getpid()
        if is_inside() and not self._is_ours:
            self._limit = min(limit, _LONGEST_ALARM)
            dump_when_alarmed()
        self._strategy: Strategy = self._call(
            partial(self._made, entry, seed), "was created"
        )
        self.flags = flags_of(self._strategy)

    def _made(self, entry: StrategyEntry, seed: int) -> Strategy:
        strategy = entry.load()
        self.file = file_of(strategy)
        return strategy(self._space, seed=seed)

    def give(self, settings: Mapping[str, Any]) -> None:
        """Pass settings to the strategy by setting its attributes, if the strategy declares that it
        uses them.
        """
        for name, value in self.flags.read(settings).items():
            setattr(self._strategy, name, value)
            if name == "epochs":
                self._epochs = value

    def ask(self, n: int) -> list[Cell | Request]:
        """Ask the strategy for 1 to `n` cells of the space, or for requests if the strategy chooses
        the number of epochs.
        """
        return self._call(  # type: ignore[no-any-return]
            lambda: own_cells(
                self._strategy.ask(n),
                n,
                self._space,
                self._epochs,
                may_end=self.flags.from_outside,
            ),
            "was asked for cells",
        )

    def tell(self, trials: Sequence[Trial]) -> None:
        """Report trials. A user-defined strategy receives copies of the trials, which it may
        modify.
        """
        told = trials if self._is_ours else list(map(_copied, trials))
        self._call(lambda: self._strategy.tell(told), "received trials")

    def work(self) -> float | None:
        """Let a built-in strategy do one part of its own work, such as training a supernet. Return
        the seconds to charge to the budget, or None if no work is left.
        """
        if not self.flags.needs_supernet:
            return None
        return self._call(self._strategy.work, "worked")  # type: ignore[no-any-return]

    def diagnosis(self) -> Mapping[str, Mapping[str, float]]:
        """Return the numbers that the strategy reports about the run; empty for user-defined
        strategies.
        """
        if not self._is_ours:
            return {}
        return self._call(  # type: ignore[no-any-return]
            self._strategy.diagnosis, "gave its diagnosis"
        )

    def remarks(self) -> Mapping[str, Any]:
        """Return remarks that are stored with the strategy's last proposal; empty for user-defined
        strategies.
        """
        return self._strategy.remarks if self._is_ours else {}

    def _call(self, function: Callable[[], Any], when: str) -> Any:
        started = time.perf_counter()
        try:
            if self._limit:
                signal.setitimer(signal.ITIMER_REAL, self._limit)
            with hearing(*self._files):
                result = function()
            if getpid() != self._owner:
                leave(0)  # a copy that the strategy forked came back here
            return result
        except BaseException as error:
            if is_interrupt(error) or (
                self._is_ours and not isinstance(error, Exception)
            ):
                raise
            raise as_strategy_error(error, when, self.file) from error
        finally:
            if self._limit:
                signal.setitimer(signal.ITIMER_REAL, 0)
            self.seconds += time.perf_counter() - started


def _copied(trial: Trial) -> Trial:
    return replace(trial, cell=copy(trial.cell), values=dict(trial.values))


class Wrapped:
    """A wrapper of a strategy that changes some of what it observes or requests."""

    def __init__(self, inside: Any) -> None:
        self._inside = inside

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inside, name)


class _Names:
    def __init__(self) -> None:
        self._hidden: dict[str, str] = {}

    def hide(self, name: str) -> str:
        """Disguise a name, such as ``valid_error[12]`` as ``m1[12]``."""
        plain, bracket, epochs = name.partition("[")
        return (
            self._hidden.setdefault(plain, f"m{len(self._hidden) + 1}")
            + bracket
            + epochs
        )

    def reveal(self, name: str) -> str:
        """Return the metric of a disguised name. An unknown name is returned unchanged."""
        return {hidden: plain for plain, hidden in self._hidden.items()}.get(name, name)


class BlindFreeTerms:
    """The free terms of an objective for a blinded strategy, which calls them with disguised cells
    and names.

    See `surrogate_nas.objective.FreeTerms` for its attributes.
    """

    def __init__(self, free: Any, space: BlindSpace, names: _Names) -> None:
        """Wrap the free terms of the original cells."""
        self._free = free
        self._space = space
        self._names = names
        self.terms = tuple(f"r{index + 1}" for index, _ in enumerate(free.terms))
        self.missing = tuple(f"u{index + 1}" for index, _ in enumerate(free.missing))
        self.observed = tuple(map(self._disguised, free.observed))
        self.names = tuple(map(names.hide, free.names))
        self.proxies = tuple(map(names.hide, free.proxies))
        self.whole = free.whole

    def _disguised(self, observed: Any) -> Any:
        limits = (
            replace(limit, metric=self._names.hide(limit.metric))
            for limit in observed.limits
        )
        name = self._names.hide(observed.name)
        return observed._replace(name=name, limits=tuple(limits))

    def _cells(self, cells: Sequence[Cell]) -> list[Cell]:
        return [self._space.reveal(self._space.cell(cell)) for cell in cells]

    def metric(self, name: str, cells: Sequence[Cell]) -> Any:
        """Return a free metric, which needs no training, of some cells, shape ``(n,)``."""
        return self._free.metric(self._names.reveal(name), self._cells(cells))

    def __getattr__(self, name: str) -> Callable[[Sequence[Cell]], Any]:
        """Return penalty, vector, violation or feasibility, like
        `surrogate_nas.objective.FreeTerms`.
        """
        if name not in _OF_CELLS:
            raise AttributeError(name)
        return lambda cells: getattr(self._free, name)(self._cells(cells))


class Blinded(Wrapped):
    """A wrapper of a strategy that disguises cells and names of metrics, so that the strategy
    cannot recognise them.
    """

    def __init__(self, inside: Any, space: BlindSpace) -> None:
        super().__init__(inside)
        self._space = space
        self._names = _Names()

    def give(self, settings: Mapping[str, Any]) -> None:
        """Pass settings to the strategy, with disguised names, if the strategy declares that it
        uses them.
        """
        given = self.flags.read(settings)
        hide = self._names.hide
        if given.get("free") is not None:
            given["free"] = BlindFreeTerms(given["free"], self._space, self._names)
        if readable := given.get("readable"):
            given["readable"] = {
                epochs: [*map(hide, names)] for epochs, names in readable.items()
            }
            given["qualities"] = [*map(hide, given.get("qualities", ()))]
        if problem := given.get("problem"):
            named = {part: problem[part] for part in ("terms", "limits")}
            names = {term["name"] for terms in named.values() for term in terms}
            longest_first = "|".join(
                map(re.escape, sorted(names, key=len, reverse=True))
            )
            text = re.sub(
                longest_first, lambda name: hide(name[0]), problem["expression"]
            )
            hidden = {
                part: [
                    {**term, "name": hide(term["name"]), "unit": ""} for term in terms
                ]
                for part, terms in named.items()
            }
            given["problem"] = {**problem, "expression": text, **hidden}
        self._inside.give(given)

    def ask(self, n: int) -> list[Cell | Request]:
        """Ask the strategy for cells, and return them without the disguise."""
        return [self._revealed(request) for request in self._inside.ask(n)]

    def _revealed(self, request: Cell | Request) -> Cell | Request:
        if isinstance(request, Request):
            read = tuple(map(self._names.reveal, request.read))
            return Request(self._space.reveal(request.cell), request.epochs, read)
        return self._space.reveal(request)

    def tell(self, trials: Sequence[Trial]) -> None:
        """Report trials to the strategy, with disguised cells and names of metrics."""
        disguised = []
        for trial in trials:
            cell = self._space.hide(trial.cell)
            shown = {self._names.hide(name): x for name, x in trial.values.items()}
            disguised.append(replace(trial, cell=cell, values=TrialValues(shown)))
        self._inside.tell(disguised)


class Recorded(Wrapped):
    """A wrapper of a strategy whose proposals are stored and replayed. The attribute `usage`
    contains the total costs of the proposals (such as tokens) by name.
    """

    def __init__(
        self, inside: Any, journal: Journal, space: Space, epochs: Sequence[int]
    ) -> None:
        """Wrap a strategy that has observed nothing yet. The journal contains its answers so
        far.
        """
        super().__init__(inside)
        self._journal = journal
        self._space = space
        self._epochs = epochs
        self._answers = deque(journal.entries)
        self._untold: list[Trial] = []
        self._is_asked = not self._answers
        self.usage = dict[str, float]()

    def diagnosis(self) -> Mapping[str, Mapping[str, float]]:
        """Return the numbers that the strategy reports about the run, and the costs of its
        proposals.
        """
        usage = {USAGE: self.usage} if self.usage else {}
        return {**self._inside.diagnosis(), **usage}

    def ask(self, n: int) -> list[Cell | Request]:
        """Return the next stored proposal or, if all have been used, a new proposal of the
        strategy. An empty list ends the run.
        """
        if self._answers:
            return self._again(self._answers.popleft(), n)
        if self._untold:
            self._inside.tell(self._untold)
        self._untold, self._is_asked = [], True
        asked: list[Cell | Request] = self._inside.ask(n)
        remarks = dict(self._inside.remarks())
        self._add(remarks.get(USAGE, {}))
        self._journal.append({_CELLS: [*map(as_json, asked)], **remarks})
        self._journal.commit()
        return asked

    def _again(self, entry: Any, n: int) -> list[Cell | Request]:
        """Return a stored answer. Cells beyond `n` are left for the next call."""
        try:
            kept = entry[_CELLS]
            if len(kept) > n:
                self._answers.appendleft({_CELLS: kept[n:]})
            self._add(entry.get(USAGE, {}))
            asked = [from_json(content, self._space) for content in kept[:n]]
            return own_cells(asked, n, self._space, self._epochs, may_end=True)
        except (UserError, TypeError, KeyError, AttributeError, ValueError) as error:
            raise UserError(
                f"{self._journal.path} contains a malformed answer ({error}). Delete it to ask the"
                " strategy again."
            ) from error

    def _add(self, usage: Mapping[str, float]) -> None:
        for name, value in usage.items():
            self.usage[name] = self.usage.get(name, 0.0) + float(value)

    def tell(self, trials: Sequence[Trial]) -> None:
        """Report trials to the strategy. While stored proposals are replayed, trials are collected
        and reported later.
        """
        if self._is_asked:
            self._inside.tell(trials)
        else:
            self._untold += trials


class Scalarised(Wrapped):
    """A wrapper that runs a single-objective strategy on several objectives, with random weights
    that change during the run.

    The method follows Knowles, "ParEGO", IEEE Transactions on Evolutionary Computation 2006. The
    score is the augmented Chebyshev norm of the objectives, each scaled to its range in the run. In
    contrast to ParEGO, the weights change only every ten trials. After each change, the strategy is
    created again and observes the whole history under the new weights.
    """

    def __init__(
        self, first: Any, make: Callable[..., Any], parts: int, seed: int
    ) -> None:
        super().__init__(first)
        self._make = make
        self._parts = parts
        self._rng = np.random.default_rng([seed, parts])
        self._weights = self._rng.dirichlet(np.ones(parts))
        self._history: list[Trial] = []
        self._since = 0
        self._spent = 0.0

    @property
    def seconds(self) -> float:
        """The time in seconds spent in calls of the strategies so far."""
        return self._spent + float(self._inside.seconds)

    def ask(self, n: int) -> list[Cell | Request]:
        """Change the weights if ten trials have passed, and return the strategy's proposals."""
        if self._since >= STRETCH:
            self._since, self._weights = 0, self._rng.dirichlet(np.ones(self._parts))
            self._spent += self._inside.seconds
            self._inside = self._make(seed=int(self._rng.integers(2**63)))
            self._inside.tell(self._scored(self._history))
        return self._inside.ask(n)  # type: ignore[no-any-return]

    def tell(self, trials: Sequence[Trial]) -> None:
        """Report trials to the strategy, with the scalarised score instead of the sum of the
        objectives.
        """
        self._history += trials
        self._since += len(trials)
        self._inside.tell(self._scored(trials))

    def _scored(self, trials: Sequence[Trial]) -> list[Trial]:
        feasible = [trial.scores for trial in self._history if trial.feasible]
        seen = np.array(feasible or [trials[0].scores])
        low = seen.min(axis=0)
        span = np.ptp(seen, axis=0)
        span[span == 0] = 1.0
        rescored = []
        for trial in trials:
            score = _INFEASIBLE + trial.score
            if trial.feasible:
                scaled = self._weights * (np.array(trial.scores) - low) / span
                score = float(scaled.max() + _AUGMENTATION * scaled.sum())
            values = dict(trial.values)
            rescored.append(replace(trial, score=score, scores=(), values=values))
        return rescored


def scalarised(strategy: Any, make: Callable[..., Any], parts: int, seed: int) -> Any:
    """Return the strategy. If it supports only one objective and there are several, it is wrapped
    in `Scalarised`.
    """
    if parts == 1 or strategy.flags.many_objectives:
        return strategy
    return Scalarised(strategy, make, parts, seed)


def sandboxed(
    entry: StrategyEntry,
    space: Space,
    *,
    seed: int,
    limit: float,
    settings: Mapping[str, Any] = MappingProxyType({}),
    files: Sequence[Opened] = (),
) -> Sandboxed | Wrapped:
    """Create a strategy. If it is blinded, its disguise is sampled from its seed.

    If the run has its own process, each call of a user-defined strategy may take at most `limit`
    seconds. Files that the strategy opens are recorded in `files`. Raise a StrategyError if the
    strategy could not be created.
    """
    disguise = blind(space, seed) if entry.blinded else None
    called: Sandboxed | Wrapped = Sandboxed(
        entry, disguise or space, seed, limit, files
    )
    if disguise is not None:
        called = Blinded(called, disguise)
    called.give(settings)
    return called


Sent = tuple[StrategyEntry, bytes]
"""A strategy to be transferred to another process: its entry without the target, and the target."""


def sent(entry: StrategyEntry) -> Sent:
    """Serialise a strategy for another process. Raise a StrategyError if it cannot be
    serialised.
    """
    return replace(entry, target=""), pack(entry.target)


def received(sent_entry: Sent) -> StrategyEntry:
    """Restore a serialised strategy."""
    entry, packed = sent_entry
    return replace(entry, target=unpack(packed)[0])


def inspect_strategy(entry: StrategyEntry, objectives: int = 1) -> Flags:
    """Read the declarations of a strategy, without running user code in this process.

    Raises:
        UserError: The strategy does not exist, cannot be blinded, or does not support the number of
            objectives.
    """
    stamp: tuple[object, ...] = ()
    if entry.is_trusted or isinstance(entry.target, type):
        flags = flags_of(entry.load())
    elif entry.origin == "file":
        with suppress(OSError, ValueError):
            path = Path(entry.target.rpartition(":")[0]).absolute()
            status = path.stat()
            stamp = path, status.st_mtime_ns, status.st_size
        flags = _introduced(entry, stamp)
    else:
        OURS.expect(entry.target)
        flags = _introduced(entry, stamp)
    if flags.needs_supernet and entry.blinded:
        name = entry.label.removeprefix(BLIND)
        raise UserError(f"{name} trains cells itself, so it cannot be blinded.")
    if flags.needs_supernet and not entry.is_trusted:
        raise UserError(
            f"{entry.label} needs a supernet context, which only built-in strategies receive,"
            " because training in a user's process cannot be charged."
        )
    drives = entry.is_trusted and entry.options.get("drive") is not None
    if drives and flags.chooses_epochs:
        if entry.blinded:
            raise UserError(
                f"{entry.label} receives no names of metrics. Leave out drive."
            )
        if objectives > 1:
            raise UserError(
                f"{entry.label} ranks cells by one metric and cannot use {objectives}"
                " objectives. Leave out drive."
            )
    return flags


def dry_run(
    entry: StrategyEntry, space: Space, limit: float, settings: Mapping[str, Any]
) -> None:
    """Check the options of a strategy before any run, by creating the strategy once.

    Strategies of other libraries, and built-in strategies that choose the number of epochs, check
    their options only when they are first asked for cells. These strategies are therefore asked
    once. An external program is not asked.

    Raises:
        UserError: The strategy could not be created with these options.
    """
    if not entry.options:
        return
    rehearsal = partial(_rehearsed, space=space, settings=settings)
    try:
        if entry.is_trusted:
            rehearsal(entry)
        else:
            call_aside(rehearsal, sent(entry), START_SECONDS + limit)
    except StrategyError as error:
        raise UserError(f"{entry.label} cannot be used: {error}") from error


def _rehearsed(
    entry: StrategyEntry | Sent, space: Space, settings: Mapping[str, Any]
) -> None:
    entry = replace(
        received(entry) if isinstance(entry, tuple) else entry, blinded=False
    )
    strategy = sandboxed(entry, space, seed=0, limit=math.inf, settings=settings)
    flags = strategy.flags
    chooses = entry.is_trusted and flags.chooses_epochs and not flags.from_outside
    if entry.origin == "bridge" or chooses:
        strategy.ask(1)


@lru_cache(maxsize=64)
def _introduced(entry: StrategyEntry, stamp: tuple[object, ...]) -> Flags:
    try:
        return call_aside(_declared, sent(entry), START_SECONDS)
    except UserError as error:
        reason = str(error)
        if str(entry.target) not in reason:
            reason = f"{entry.label.removeprefix(BLIND)} cannot be used: {reason}"
        raise UserError(reason) from error


def _declared(entry: Sent) -> Flags:
    return flags_of(received(entry).load())
